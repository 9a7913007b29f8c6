import { type Command, Option } from "commander";
import { thisProcess } from "../../../lib/process-owner.ts";
import {
  GUEST_ROOT,
  type PreparedRun,
  prepareAtAddress,
  prepareInGuest,
  prepareInOwnGuest,
} from "../../guests/prepare-run.ts";
import { randomName } from "../../guests/random-name.ts";
import type { RunOptions } from "../../image/image-config.ts";
import { type ChosenImage, chooseImage, type ImageSource, type PullPolicy } from "../../image-store/choose-image.ts";
import type { Volume } from "../../sandbox/shared-folder.ts";
import { StateStore } from "../../state/state-store.ts";
import { detachKeys } from "../attach/detach-keys.ts";
import { CliError } from "../cli-error.ts";
import { type GuestFlags, guestImage, guestSize, guestWords, withGuestFlags } from "../flags/guest-flags.ts";
import { guestNetwork } from "../flags/network-flags.ts";
import { bytes, count, identifier, processors, volumes } from "../flags/option-values.ts";
import { checkTerminal, type ProcessFlags, processOptions, withProcessFlags } from "../flags/process-flags.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { StatusLine } from "../output/status-line.ts";
import { sizeText } from "../output/text-table.ts";
import { announceReady, backgroundName, backgroundOutput, outputFile, runInBackground } from "../run/background.ts";
import { Interrupts } from "../run/interrupts.ts";
import { runContainer } from "../run/run-container.ts";

export interface RunFlags extends ProcessFlags, GuestFlags, TargetFlags {
  readonly detach?: true;
  readonly name?: string;
  readonly imageName?: string;
  readonly rootfs?: string;
  readonly guestRoot?: true;
  readonly entrypoint?: string;
  readonly readOnly?: true;
  readonly memory?: number;
  readonly cpus?: number;
  readonly pids?: number;
  readonly rm?: true;
  readonly volume?: readonly Volume[];
  readonly pull?: PullPolicy;
  readonly plainHttp?: true;
  readonly verbose?: true;
  readonly detachKeys?: Uint8Array;
}

const HELP = `
IMAGE is the name of an image, which is pulled unless the store has it (guestctl pull --help), or a docker save file or an OCI
layout (directory or tar), optionally compressed with gzip or zstd. A word that begins with . or / or ends with .tar is a file.
Without --guest, run boots a guest for the container and powers it off when the container ends. With --guest the container
runs in that guest; with --address at any agent, which must have the root file system: give --rootfs instead of IMAGE.
The exit code is the container's, or 128 + the signal that killed it; 125 if guestctl failed, 126 if the program can't be
executed, 127 if it wasn't found.
Signals to guestctl go to the container. The second signal kills it; a SIGTERM also kills it after 10 s. The fourth signal gives
up on an agent that doesn't answer. A container run with --detach keeps its exit code and output until guestctl rm.

  guestctl run busybox.tar echo hello
  guestctl run alpine:3.20 cat /etc/os-release
  guestctl run -it busybox.tar sh
  guestctl run -v "$PWD:/work:ro" busybox.tar ls /work
  guestctl run --memory 64m --pids 20 -e NAME=value busybox.tar env`;

/** Adds `guestctl run`. */
export function addRun(program: Command): void {
  const command = program
    .command("run")
    .summary("run a container from an image")
    .description("Run a container from an image, in its own guest or in a running one, and remove it when it ends.")
    .usage("[options] IMAGE [command…]")
    .argument("[words...]")
    .passThroughOptions();
  withProcessFlags(command)
    .option("--name <id>", "id of the container, and name of its guest", identifier)
    .option("--entrypoint <program>", "replace the image's entrypoint")
    .option("--read-only", "mount its root file system read-only")
    .option("--memory <size>", "memory limit, such as 256m", bytes)
    .option("--cpus <number>", "CPU limit, such as 1.5", processors)
    .option("--pids <count>", "limit on processes and threads", count)
    .option("--image-name <name>", "name of the image, if the file holds several")
    .addOption(
      new Option("--pull <when>", "pull the image: always, if the store lacks it, or never (default: missing)").choices(
        ["always", "missing", "never"],
      ),
    )
    .option("--plain-http", "with a pull: allow http without TLS for registries other than those on loopback")
    .option("-v, --volume <host:guest>", "mount a folder of the host, read-only with :ro at the end", volumes)
    .option("-d, --detach", "run in the background and print its id; guestctl logs ID shows its output")
    .option(
      "--detach-keys <keys>",
      "keys that leave a terminal in a running guest (default: ctrl-p,ctrl-q)",
      detachKeys,
    )
    .option("--rm", "with --detach: remove its record and output when it ends")
    .option("--guest-root", "use the guest's own root instead of IMAGE; writes are lost with the container")
    .option("--rootfs <path>", "with --address: path of the root file system in the guest");
  withTarget(withGuestFlags(command), "use this running guest instead of booting one")
    .option("-V, --verbose", "show the guest's console on stderr")
    .addHelpText("after", HELP)
    .action((words: string[], flags: RunFlags) => run(words, flags));
}

async function run(words: readonly string[], flags: RunFlags): Promise<void> {
  checkFlags(words, flags);
  checkTerminal(flags);
  const store = new StateStore();
  const id = backgroundName() ?? flags.name ?? randomName("c");
  if (flags.detach && backgroundName() === undefined) {
    const guest = flags.guest === undefined ? id : findTarget(store, flags).guest?.name;
    if (flags.guest === undefined) store.checkFree(id);
    await runInBackground(id, outputFile(store, guest ?? id, id));
    process.stdout.write(`${id}\n`);
    return;
  }
  using interrupts = new Interrupts();
  using status = new StatusLine();
  using _claim = claimName(store, id, words, flags);
  using chosen = hasImage(flags)
    ? await interrupts.during(chooseImage(imageSource(id, words, flags, interrupts, status)))
    : undefined;
  await using prepared = await interrupts.during(prepare(store, id, chosen, flags, interrupts, status));
  const [image = "", ...rest] = hasImage(flags) ? words : ["", ...words];
  process.exitCode = await runContainer(store, prepared, {
    id,
    image,
    options: runOptions(rest, flags),
    flags,
    interrupts,
    kept: flags.detach === true && flags.rm === undefined,
    output: backgroundOutput(),
    volumes: (flags.volume ?? []).map(({ host, guest, mode }) => `${host}:${guest}${mode === "ro" ? ":ro" : ""}`),
    started() {
      status.clear();
      announceReady();
    },
  });
}

function imageSource(
  container: string,
  [text = ""]: readonly string[],
  flags: RunFlags,
  { signal }: Interrupts,
  status: StatusLine,
): ImageSource {
  const onProgress = (bytes: number, total: number) =>
    status.show(`pulling ${text}: ${sizeText(bytes)} of ${sizeText(total)}`);
  return { text, container, pull: flags.pull ?? "missing", plainHttp: flags.plainHttp === true, signal, onProgress };
}

/** Claims the container's name in a running guest until the container runs; disposal releases it if it never did. */
function claimName(store: StateStore, id: string, args: readonly string[], flags: RunFlags): Disposable {
  const guest = flags.guest === undefined ? undefined : findTarget(store, flags).guest?.name;
  const name = { container: id, exec: id };
  if (guest !== undefined) {
    const unknown = { image: "", terminal: false, rootfs: "", env: [], cwd: "/", user: "" };
    const startedAt = new Date().toISOString();
    store.processes.claim(guest, { ...name, ...unknown, args, startedAt, keeper: thisProcess(), starting: true });
  }
  return {
    [Symbol.dispose]() {
      const claimed =
        guest === undefined ? [] : store.processes.list(guest).filter(({ container }) => container === id);
      if (guest !== undefined && claimed.some(({ starting }) => starting)) store.removeProcess(guest, name);
    },
  };
}

function prepare(
  store: StateStore,
  id: string,
  chosen: ChosenImage | undefined,
  flags: RunFlags,
  interrupts: Interrupts,
  status: StatusLine,
): Promise<PreparedRun> {
  const { address, rootfs, imageName } = flags;
  if (address !== undefined && rootfs !== undefined) return prepareAtAddress(address, rootfs, "guestctl");
  const { path, text } = chosen ?? { path: "", text: "" };
  const named = { path, ...(imageName === undefined ? {} : { name: imageName }) };
  const files = { image: flags.guestRoot ? GUEST_ROOT : named, volumes: flags.volume ?? [] } as const;
  const unpacking = flags.guestRoot ? [] : [`unpacking ${text}`];
  status.show(`${[...unpacking, ...(flags.guest === undefined ? ["booting a guest"] : [])].join(" and ")} …`);
  if (flags.guest !== undefined) {
    const { guest } = findTarget(store, flags);
    if (guest !== undefined) return prepareInGuest(guest, id, files, interrupts.signal);
  }
  return prepareInOwnGuest(store, id, files, {
    name: id,
    ...guestSize(flags, flags),
    ...guestImage(flags),
    ...guestWords(flags),
    ...guestNetwork(flags),
    signal: interrupts.signal,
    ...(flags.verbose ? { onConsole: (line: string) => void process.stderr.write(`${line}\n`) } : {}),
  });
}

/** Maps flags and words to options of the container. Exported for its test. */
export function runOptions(args: readonly string[], flags: RunFlags): RunOptions {
  const { memory, cpus, pids, entrypoint } = flags;
  return {
    ...processOptions(flags),
    ...(args.length === 0 ? {} : { args }),
    ...(entrypoint === undefined ? {} : { entrypoint: entrypoint === "" ? [] : [entrypoint] }),
    ...(flags.readOnly ? { readonlyRoot: true } : {}),
    limits: {
      ...(memory === undefined ? {} : { memory }),
      ...(cpus === undefined ? {} : { cpus }),
      ...(pids === undefined ? {} : { pids }),
    },
  };
}

/** True if the first word names an image. */
function hasImage({ rootfs, guestRoot }: RunFlags): boolean {
  return rootfs === undefined && guestRoot === undefined;
}

/** Rejects invalid combinations of flags. Throws CliError. Exported for its test. */
export function checkFlags(words: readonly string[], flags: RunFlags): void {
  const { address, rootfs, guest, guestRoot, vmImage, network, publish } = flags;
  if (address !== undefined && guest !== undefined)
    throw new CliError("run: --guest and --address can't be combined; give only one of them");
  if ((address === undefined) !== (rootfs === undefined)) {
    throw new CliError("run: --address and --rootfs need each other: guestctl can't unpack images for that agent");
  }
  if (guestRoot && address !== undefined)
    throw new CliError("run: --guest-root needs a guest booted by guestctl, not --address");
  if (vmImage !== undefined && (guest ?? address) !== undefined) {
    throw new CliError("run: --vm-image applies only while booting a guest, not to a running one");
  }
  if ((network ?? publish) !== undefined && (guest ?? address) !== undefined) {
    throw new CliError("run: --network and -p apply only while booting a guest; pass them to guestctl boot");
  }
  if (!hasImage(flags) && words.length === 0) {
    throw new CliError(`run: no command given; ${guestRoot ? "--guest-root" : "--rootfs"} has no default command`);
  }
  if (hasImage(flags) && words.length === 0) throw new CliError("run: no image given; see guestctl run --help");
  if (address !== undefined && flags.volume !== undefined)
    throw new CliError("run: -v needs a guest booted by guestctl, not --address");
  if (!flags.detach) return;
  if (flags.interactive || flags.tty) throw new CliError("run: --detach can't be combined with -i or -t");
  if (address !== undefined) throw new CliError("run: --detach needs a guest booted by guestctl, not --address");
}
