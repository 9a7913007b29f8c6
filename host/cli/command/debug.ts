import { existsSync } from "node:fs";
import type { Command } from "commander";
import { guestPackageName } from "../../../lib/guest-package.ts";
import { isCheckout } from "../../../lib/package-root.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { prepareAtAddress } from "../../engine/container/prepare-at-address.ts";
import { prepareInGuest } from "../../engine/container/prepare-in-guest.ts";
import type { PreparedRun } from "../../engine/container/prepare-run.ts";
import { runContainer } from "../../engine/container/run-container.ts";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import type { RunOptions } from "../../engine/image/image-config.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { holdAwake } from "../../engine/supervisor/idle/hold-awake.ts";
import { busyboxImage } from "../../vm/paths.ts";
import { CliError } from "../cli-error.ts";
import { identifier } from "../flags/option-values.ts";
import { checkTerminal, type ProcessFlags, processOptions, withProcessFlags } from "../flags/process-flags.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { StatusLine } from "../output/status-line.ts";

interface DebugFlags extends ProcessFlags, TargetFlags {
  readonly image?: string;
  readonly imageName?: string;
  readonly rootfs?: string;
  readonly name?: string;
  readonly writable?: true;
}

const HELP = `
The debug container has the target's processes, network, ipc and host name, the root of a tools image, and the target's
root at /target, read-only unless --writable is given. It may trace the target's processes, whatever capabilities the target
has. Nothing is written to the target. The debug container ends with the target, and is removed when its command ends.

  guestctl debug -it web
  guestctl debug web -- ps -o pid,args
  guestctl debug -it web --image tools.tar -- strace -p 1
  guestctl debug web -- cat /target/etc/app.conf /proc/1/environ`;

/** Adds `guestctl debug`. */
export function addDebug(program: Command): void {
  const command = program
    .command("debug")
    .description("Run a command of a tools image in a running container's namespaces. Default: a shell of busybox.")
    .usage("[options] CONTAINER [-- command…]")
    .argument("<container>")
    .argument("[command...]");
  withTarget(withProcessFlags(command))
    .option("--image <file>", "tools image: a docker save file or an OCI layout (default: the demo's busybox)")
    .option("--image-name <name>", "name of the image, if the file holds several")
    .option("--rootfs <path>", "with --address: path of the tools' root file system in the guest")
    .option("--name <id>", "id of the debug container (default: a random one)", identifier)
    .option("--writable", "let the command write to the target's root at /target")
    .addHelpText("after", HELP)
    .action((container: string, args: string[], flags: DebugFlags) => debug(container, args, flags));
}

async function debug(text: string, args: readonly string[], flags: DebugFlags): Promise<void> {
  checkFlags(flags);
  checkTerminal(flags);
  const store = new StateStore();
  const target = findContainer(store, flags, text);
  const id = flags.name ?? randomName("d");
  using interrupts = new Interrupts();
  using status = new StatusLine();
  await using prepared = await interrupts.during(prepare(store, target, id, flags, status, interrupts.signal));
  process.exitCode = await runContainer(store, prepared, {
    id,
    image: flags.image ?? "busybox",
    options: debugOptions(target.container, args, flags),
    flags,
    interrupts,
    stdio: process,
    started: () => status.clear(),
  });
}

async function prepare(
  store: StateStore,
  { guest, address }: ContainerTarget,
  id: string,
  { image, imageName, rootfs = "" }: DebugFlags,
  status: StatusLine,
  signal: AbortSignal,
): Promise<PreparedRun> {
  if (guest === undefined) return prepareAtAddress(address, rootfs, { hostname: "guestctl", signal });
  const path = image ?? busyboxImage();
  if (image === undefined && !existsSync(path)) {
    const remedy = isCheckout() ? "run npm run demo" : `install ${guestPackageName()}`;
    throw new CliError(`debug: no image given, and ${path} doesn't exist; add --image, or ${remedy}`);
  }
  status.show(`unpacking ${path} …`);
  const named = { path, name: imageName };
  await using held = await holdAwake(store, guest);
  return await prepareInGuest(held.guest, id, { image: named, volumes: [] }, signal);
}

/** Maps flags and words to options of the debug container. Exported for its test. */
export function debugOptions(target: string, args: readonly string[], flags: DebugFlags): RunOptions {
  return {
    ...processOptions(flags),
    entrypoint: [],
    args: args.length === 0 ? ["sh"] : args,
    capabilities: ["CAP_SYS_PTRACE"],
    annotations: { "guestd.debug": target, ...(flags.writable ? { "guestd.debug.writable": "true" } : {}) },
  };
}

function checkFlags({ address, rootfs, image, imageName }: DebugFlags): void {
  if ((address === undefined) !== (rootfs === undefined)) {
    throw new CliError("debug: --address and --rootfs need each other: guestctl can't unpack images for that agent");
  }
  if (address !== undefined && (image ?? imageName) !== undefined) {
    throw new CliError("debug: --image can't be combined with --address; give --rootfs instead");
  }
}
