import type { Command } from "commander";
import { thisProcess } from "../../../lib/process-owner.ts";
import type { RunOptions } from "../../image/image-config.ts";
import type { Volume } from "../../sandbox/shared-folder.ts";
import { announceReady, backgroundName, backgroundOutput, outputFile, runInBackground } from "../background.ts";
import { CliError } from "../cli-error.ts";
import { type GuestFlags, guestImage, guestSize, guestWords, withGuestFlags } from "../guest-flags.ts";
import { Interrupts } from "../interrupts.ts";
import { guestNetwork } from "../network-flags.ts";
import { bytes, count, identifier, processors, volumes } from "../option-values.ts";
import { GUEST_ROOT, type PreparedRun, prepareAtAddress, prepareInGuest, prepareInOwnGuest } from "../prepare-run.ts";
import { checkTerminal, type ProcessFlags, processOptions, withProcessFlags } from "../process-flags.ts";
import { randomName } from "../random-name.ts";
import { runContainer } from "../run-container.ts";
import { StateStore } from "../state-store.ts";
import { StatusLine } from "../status-line.ts";
import { findTarget, type TargetFlags, withTarget } from "../target.ts";

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
  readonly verbose?: true;
}

const HELP = `
IMAGE is a file of docker save, or an OCI layout as a directory or a tar; gzip and zstd are fine.
Without --guest a guest is booted for the container, and powers off when the container has ended. With --guest the
container runs in that one; with --address at any agent, which must have its root file system: --rootfs instead of IMAGE.
The exit code is the container's: 128 + the signal's number when it was killed. 125 when guestctl failed, 126 when the program
cannot be executed, 127 when it was not found.
Signals to guestctl go to the container. The second one kills it, as do 10 s after a SIGTERM; the fourth leaves an agent that
does not answer. A container that was run with --detach keeps its exit code and output until guestctl rm.

  guestctl run busybox.tar echo hello
  guestctl run -it busybox.tar sh
  guestctl run -v "$PWD:/work:ro" busybox.tar ls /work
  guestctl run --memory 64m --pids 20 -e NAME=value busybox.tar env`;

/** `guestctl run`. */
export function addRun(program: Command): void {
  const command = program
    .command("run")
    .summary("run a container from an image")
    .description(
      "Runs a container from an image, in a guest of its own or in a running one, and removes what it started.",
    )
    .usage("[options] IMAGE [command…]")
    .argument("[words...]")
    .passThroughOptions();
  withProcessFlags(command)
    .option("--name <id>", "id of the container, and name of the guest that is booted", identifier)
    .option("--entrypoint <program>", "instead of the image's entrypoint")
    .option("--read-only", "its root file system cannot be written")
    .option("--memory <size>", "limit of its memory, as 256m", bytes)
    .option("--cpus <number>", "limit of its processors, as 1.5", processors)
    .option("--pids <count>", "limit of its processes and threads", count)
    .option("--image-name <name>", "which image, where the file has several")
    .option("-v, --volume <host:guest>", "mount a folder of the host, with :ro at its end read-only", volumes)
    .option("-d, --detach", "run in the background and print its id; guestctl logs ID shows its output")
    .option("--rm", "with --detach: keep nothing of it when it has ended")
    .option("--guest-root", "instead of IMAGE: what the guest's own root has; what is written goes with the container")
    .option("--rootfs <path>", "with --address: the root file system, a path in the guest");
  withTarget(withGuestFlags(command), "a guest that runs, instead of booting one")
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
  await using prepared = await interrupts.during(prepare(store, id, words, flags, interrupts, status));
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

/** In a running guest of ours the container's name is this process's until it runs; what did not run gives it back. */
function claimName(store: StateStore, id: string, args: readonly string[], flags: RunFlags): Disposable {
  const guest = flags.guest === undefined ? undefined : findTarget(store, flags).guest?.name;
  const name = { container: id, exec: id };
  if (guest !== undefined) {
    const unknown = { image: "", terminal: false, rootfs: "", env: [], cwd: "/", user: "" };
    const startedAt = new Date().toISOString();
    store.claimProcess(guest, { ...name, ...unknown, args, startedAt, keeper: thisProcess(), starting: true });
  }
  return {
    [Symbol.dispose]() {
      const claimed = guest === undefined ? [] : store.processes(guest).filter(({ container }) => container === id);
      if (guest !== undefined && claimed.some(({ starting }) => starting)) store.removeProcess(guest, name);
    },
  };
}

function prepare(
  store: StateStore,
  id: string,
  [path = ""]: readonly string[],
  flags: RunFlags,
  interrupts: Interrupts,
  status: StatusLine,
): Promise<PreparedRun> {
  const { address, rootfs, imageName } = flags;
  if (address !== undefined && rootfs !== undefined) return prepareAtAddress(address, rootfs, "guestctl");
  const named = { path, ...(imageName === undefined ? {} : { name: imageName }) };
  const files = { image: flags.guestRoot ? GUEST_ROOT : named, volumes: flags.volume ?? [] } as const;
  const unpacking = flags.guestRoot ? [] : [`unpacking ${path}`];
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

/** What the flags and words say of the container. Exported for its test. */
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

/** Whether the first word is an image. */
function hasImage({ rootfs, guestRoot }: RunFlags): boolean {
  return rootfs === undefined && guestRoot === undefined;
}

/** Combinations that mean nothing. Throws CliError. Exported for its test. */
export function checkFlags(words: readonly string[], flags: RunFlags): void {
  const { address, rootfs, guest, guestRoot, vmImage, network, publish } = flags;
  if (address !== undefined && guest !== undefined) throw new CliError("run: only one of --guest and --address");
  if ((address === undefined) !== (rootfs === undefined)) {
    throw new CliError("run: --address and --rootfs belong together: that agent's root file systems are not ours");
  }
  if (guestRoot && address !== undefined) throw new CliError("run: --guest-root needs a guest of ours, not --address");
  if (vmImage !== undefined && (guest ?? address) !== undefined) {
    throw new CliError("run: --vm-image is for a guest that is booted, not for one that runs");
  }
  if ((network ?? publish) !== undefined && (guest ?? address) !== undefined) {
    throw new CliError("run: --network and -p are for a guest that is booted: boot that one with them");
  }
  if (!hasImage(flags) && words.length === 0) {
    throw new CliError(`run: with ${guestRoot ? "--guest-root" : "--rootfs"} say what to run`);
  }
  if (hasImage(flags) && words.length === 0) throw new CliError("run: which image? guestctl run --help");
  if (address !== undefined && flags.volume !== undefined)
    throw new CliError("run: -v needs a guest of ours, not --address");
  if (!flags.detach) return;
  if (flags.interactive || flags.tty) throw new CliError("run: --detach does not go with -i or -t");
  if (address !== undefined) throw new CliError("run: --detach needs a guest of ours, not --address");
}
