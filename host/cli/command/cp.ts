import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { copyIn, copyTarIn } from "../../client/streams/copy-in.ts";
import type { CopyOptions, CopyPlace } from "../../client/streams/copy-options.ts";
import { copyOut, copyOutAsTar } from "../../client/streams/copy-out.ts";
import { streamsAddress } from "../../client/streams/streams-address.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { dialTarget, type Target } from "../../engine/guest/guest-target.ts";
import { SHARED_IN_GUEST } from "../../engine/guest/shared-folder.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { visibleLine } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { findContainer, findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { CopyLine } from "../output/copy-line.ts";
import { writeOut } from "../output/write-archive.ts";

interface CpFlags extends TargetFlags {
  readonly archive?: true;
  readonly setId?: true;
  readonly followLink?: true;
  readonly quiet?: true;
}

const HELP = `
One side is CONTAINER:PATH, or :PATH for the guest itself; the other a path of this machine, or - for a tar archive on
stdin or stdout. A local name with a colon is written ./NAME. As with docker cp:

  - a directory is copied into a destination that is a directory, and otherwise becomes the destination
  - SOURCE/. stands for everything in the directory
  - a destination that ends in / must be a directory, and so must that of several sources
  - files belong to root in the container, and to you on this machine, unless -a keeps the owners

Devices, sockets and named pipes are left out. The copy continues if the connection is lost or the agent restarts.

  guestctl cp settings.json web:/etc/app/
  guestctl cp -a web:/var/lib/app ./backup
  guestctl cp web:/var/log - | tar -t`;

const CONTAINER_PATH = /^([^:/.][^:/]*)?:(.*)$/s;

/** Adds `guestctl cp`. */
export function addCp(program: Command): void {
  const command = program
    .command("cp")
    .description("Copy files and directories into a container or a guest, or out of it.")
    .argument("<what...>", "files or directories, then the destination")
    .option("-a, --archive", "keep owners and ACLs")
    .option("--set-id", "keep set-user-id and set-group-id bits and file capabilities")
    .option("-L, --follow-link", "follow a link that is a source")
    .option("-q, --quiet", "show no progress");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((what: readonly string[], flags: CpFlags) => cp(what, flags));
}

async function cp(what: readonly string[], flags: CpFlags): Promise<void> {
  const sources = what.slice(0, -1);
  const destination = what.at(-1) ?? "";
  if (sources.length === 0) throw new CliError("cp: no source given; name the files to copy, then the destination");
  using interrupts = new Interrupts();
  const several = sources.length > 1 && !/\/\.?$/.test(destination);
  for (const source of sources) {
    await interrupts.during(copy(source, several ? `${destination}/` : destination, flags, interrupts.signal));
  }
}

async function copy(source: string, destination: string, flags: CpFlags, signal: AbortSignal): Promise<void> {
  const [from, to] = [placeOf(source), placeOf(destination)];
  if ((from === undefined) === (to === undefined)) {
    throw new CliError(
      `cp ${source} ${destination}: exactly one side must be CONTAINER:PATH, or :PATH for the guest itself`,
    );
  }
  const { place, target } = findPlace((from ?? to) as CopyPlace, flags);
  const address = streamsAddress(target.address);
  using line = new CopyLine(basename(source));
  const options: CopyOptions = {
    dial: dialTarget(target),
    signal,
    keepOwners: flags.archive ?? false,
    keepPrivileges: flags.setId ?? false,
    follow: flags.followLink ?? false,
    ...(!flags.quiet && {
      onProgress: (...progress) => line.show(...progress),
      onDisconnect: (reason) => line.wait(reason),
    }),
  };
  const copying =
    from === undefined
      ? source === "-"
        ? copyTarIn(address, process.stdin, place, options)
        : copyIn(address, source, place, options)
      : destination === "-"
        ? copyOutAsTar(address, place, writeOut, options)
        : copyOut(address, place, destination, options);
  const { notes } = await copying;
  line[Symbol.dispose]();
  for (const note of notes) process.stderr.write(`guestctl: cp ${source}: ${visibleLine(note)}\n`);
}

/** Returns the place in a container that an argument means; undefined for a path of this machine. */
function placeOf(argument: string): CopyPlace | undefined {
  const [whole, container = "", path = ""] = CONTAINER_PATH.exec(argument) ?? [];
  return whole === undefined || existsSync(argument) ? undefined : { container, path };
}

function findPlace(
  { container, path }: CopyPlace,
  flags: TargetFlags,
): { readonly target: Target; readonly place: CopyPlace } {
  if (container === "") {
    const target = findTarget(new StateStore(), flags);
    return { target, place: { container, path: path.startsWith("/") ? path : `${SHARED_IN_GUEST}/${path}` } };
  }
  const target = findContainer(new StateStore(), flags, container);
  return { target, place: { container: target.container, path: path.startsWith("/") ? path : `/${path}` } };
}
