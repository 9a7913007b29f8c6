import { type Command, Option } from "commander";
import { detachKeys } from "../../engine/attach/detach-keys.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { restartPolicy } from "../../engine/supervisor/restart-policy.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { CliError } from "../cli-error.ts";
import { withContainerFlags } from "../flags/container-flags.ts";
import { checkIdleFlag, checkTemplateFlags, guestImage, withGuestFlags } from "../flags/guest-flags.ts";
import { mounts } from "../flags/mount-flag.ts";
import { nameOptions, withNameFlags } from "../flags/name-flags.ts";
import { guestNetwork } from "../flags/network-flags.ts";
import { count, identifier, memoryLimit, processors, storageSize, volumes } from "../flags/option-values.ts";
import { checkTerminal, withProcessFlags } from "../flags/process-flags.ts";
import { hasImage, type RunFlags, rootfsKind, volumesOf } from "../flags/run-flags.ts";
import { ulimits } from "../flags/ulimit-flag.ts";
import { checkUnusedFlags } from "../flags/unused-flags.ts";
import { withTarget } from "../guest/target.ts";
import { runOnce, startDetached } from "../run/run-once.ts";

const HELP = `
IMAGE is the name of an image, which is pulled unless the store has it (guestctl pull --help), or a docker save file or an OCI
layout (directory or tar), optionally compressed with gzip or zstd. A word that begins with . or / or ends with .tar is a file.
Without --guest, run boots a guest for the container and powers it off when the container ends. With --template it starts the
guest from a template; if that has a container, the words are a command for it and there is no IMAGE. With --guest the container
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
    .description("Run a container from an image, in its own guest or in a running one, and remove it when it ends.")
    .usage("[options] IMAGE [command…]")
    .argument("[words...]")
    .passThroughOptions();
  withNameFlags(withContainerFlags(withProcessFlags(command)))
    .option("--name <id>", "id of the container, and name of its guest", identifier)
    .option("--entrypoint <program>", "replace the image's entrypoint")
    .option("-m, --memory <size>", "memory limit, such as 256m; the memory of its guest is --vm-memory", memoryLimit)
    .option("--storage-opt <size=SIZE>", "most that it can write to its disk (default: size=10g)", storageSize)
    .option("--cpus <number>", "CPU limit, such as 1.5", processors)
    .option("--pids <count>", "limit on processes and threads", count)
    .option("--pids-limit <count>", "the same as --pids", count)
    .option("--ulimit <name=soft[:hard]>", "limit of each process, such as nofile=1024:4096; repeatable", ulimits)
    .option("--image-name <name>", "name of the image, if the file holds several")
    .addOption(
      new Option("--pull <when>", "pull the image: always, if the store lacks it, or never (default: missing)").choices(
        ["always", "missing", "never"],
      ),
    )
    .option("--plain-http", "with a pull: allow http without TLS for registries other than those on loopback")
    .option(
      "-v, --volume <host:guest>",
      "mount a folder of the host or a named volume, read-only with :ro at the end",
      volumes,
    )
    .option(
      "--mount <key=value,…>",
      "mount a folder (type=bind,source=,target=[,readonly]), a volume (type=volume) or memory (type=tmpfs,target=[,tmpfs-size=])",
      mounts,
    )
    .option("-d, --detach", "run in the background and print its id; guestctl logs ID shows its output")
    .option(
      "--detach-keys <keys>",
      "keys that leave a terminal in a running guest (default: ctrl-p,ctrl-q)",
      detachKeys,
    )
    .option("--rm", "with --detach: remove its record and output when it ends")
    .option(
      "--restart <policy>",
      "with --detach: run it again when it ends: no, on-failure[:count] or always (default: no)",
      restartPolicy,
    )
    .option("--guest-root", "use the guest's own root instead of IMAGE; writes are lost with the container")
    .option(
      "--rootfs <kind>",
      "how it gets the image's files: block (default) or share; with --address: path of the root in the guest",
    );
  withTarget(withGuestFlags(command), "use this running guest instead of booting one")
    .option("-V, --verbose", "show the guest's console on stderr")
    .addHelpText("after", HELP)
    .action((words: string[], flags: RunFlags) => run(words, flags));
}

async function run(words: readonly string[], flags: RunFlags): Promise<void> {
  checkFlags(words, flags);
  checkTerminal(flags);
  const store = new StateStore();
  const id = flags.name ?? randomName("c");
  const request = { words, flags };
  noteOperation({
    address: flags.address,
    guest: flags.guest ?? (flags.address === undefined ? id : undefined),
    container: id,
  });
  using interrupts = new Interrupts();
  if (!flags.detach) {
    process.exitCode = await runOnce(store, request, { id, interrupts });
    return;
  }
  if (flags.guest === undefined) store.checkFree(id);
  await startDetached(store, request, { id, interrupts });
  process.stdout.write(`${id}\n`);
}

function checkTemplate(flags: RunFlags): void {
  checkTemplateFlags("run", flags);
  const { template, guest, address, rootfs } = flags;
  if (template === undefined) return;
  if ((guest ?? address) !== undefined)
    throw new CliError("run: --template starts a guest of its own; leave out --guest and --address");
  if (rootfs === "share" || volumesOf(flags).length > 0)
    throw new CliError("run: a template's guest has no shared folder; leave out -v and --rootfs, or --template");
}

/** Rejects invalid combinations of flags. Throws CliError. Exported for its test. */
export function checkFlags(words: readonly string[], flags: RunFlags): void {
  const { address, rootfs, guest, guestRoot } = flags;
  if (address !== undefined && guest !== undefined)
    throw new CliError("run: --guest and --address can't be combined; give only one of them");
  const kind = rootfsKind(flags);
  if (address === undefined ? rootfs !== kind : rootfs === undefined) {
    throw new CliError(
      "run: --address and --rootfs PATH need each other: guestctl can't unpack images for that agent; without --address give --rootfs block or share",
    );
  }
  checkTemplate(flags);
  if (flags.idle !== undefined && (guest ?? address) !== undefined)
    throw new CliError("run: --idle is of a guest that run boots; leave it out with --guest and --address");
  checkIdleFlag("run", flags, kind === "share" || volumesOf(flags).length > 0);
  nameOptions(flags);
  if (flags.storageOpt !== undefined && (kind === "share" || (address ?? guestRoot) !== undefined)) {
    const without = "--rootfs share, --guest-root and --address";
    throw new CliError(`run: --storage-opt bounds a root on disks; leave it out with ${without}`);
  }
  if (guestRoot && address !== undefined)
    throw new CliError("run: --guest-root needs a guest booted by guestctl, not --address");
  checkUnusedFlags(flags);
  guestNetwork(flags);
  guestImage(flags);
  if (!hasImage(flags) && words.length === 0) {
    throw new CliError(`run: no command given; ${guestRoot ? "--guest-root" : "--rootfs"} has no default command`);
  }
  if (hasImage(flags) && words.length === 0) throw new CliError("run: no image given; see guestctl run --help");
  if (address !== undefined && volumesOf(flags).length > 0)
    throw new CliError("run: -v needs a guest booted by guestctl, not --address");
  const isRestarting = flags.restart !== undefined && flags.restart.when !== "no";
  if (isRestarting && !flags.detach) throw new CliError("run: --restart needs --detach");
  if (isRestarting && flags.rm) throw new CliError("run: --restart can't be combined with --rm; give only one of them");
  if (!flags.detach) return;
  if (flags.interactive || flags.tty) throw new CliError("run: --detach can't be combined with -i or -t");
  if (address !== undefined) throw new CliError("run: --detach needs a guest booted by guestctl, not --address");
}
