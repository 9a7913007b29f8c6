import { existsSync } from "node:fs";
import { basename, posix, resolve } from "node:path";
import type { Command } from "commander";
import { sendFiles } from "../../client/send-files.ts";
import { rootfsPlace, SHARED_IN_GUEST } from "../../sandbox/shared-folder.ts";
import { CliError } from "../cli-error.ts";
import { connectTo, findContainer, findTarget, type Target, type TargetFlags, withTarget } from "../guest/target.ts";
import { StateStore } from "../state/state-store.ts";

const HELP = `
The destination is CONTAINER:/PATH or a path in the guest below ${SHARED_IN_GUEST}; a relative path starts there.
If it ends in / or there are several sources, it is a directory and the sources are copied into it.
Copied files belong to root. Copying out of a container isn't supported yet.

  guestctl cp settings.json web:/etc/app/
  guestctl cp build/site web:/srv/www`;

const CONTAINER_PATH = /^([^:/]+):(.*)$/s;

/** Adds `guestctl cp`. */
export function addCp(program: Command): void {
  const command = program
    .command("cp")
    .summary("copy files into a container or a guest")
    .description("Copy files, links and whole directories into a container or a guest with CopyFile.")
    .argument("<what...>", "files or directories, then the destination");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((what: readonly string[], flags: TargetFlags) => cp(what, flags));
}

async function cp(what: readonly string[], flags: TargetFlags): Promise<void> {
  const sources = what.slice(0, -1);
  const place = what.at(-1) ?? "";
  const from = sources.find((source) => CONTAINER_PATH.test(source) && !existsSync(source));
  if (from !== undefined) {
    throw new CliError(
      `cp ${from}: copying out of a container isn't supported yet; use guestctl exec CONTAINER tar -c PATH | tar -x`,
    );
  }
  if (sources.length === 0) throw new CliError("cp: no source given; name the files to copy, then the destination");
  const { path, ...target } = findPlace(place, flags);
  await using client = await connectTo(target);
  for (const source of sources) {
    const into = path.endsWith("/") || sources.length > 1;
    const to = into ? posix.join(path, basename(resolve(source))) : path;
    await sendFiles(client, source, to, { owner: { uid: 0, gid: 0 } });
  }
}

function findPlace(place: string, flags: TargetFlags): Target & { readonly path: string } {
  const [, container, inside] = CONTAINER_PATH.exec(place) ?? [];
  if (container === undefined || inside === undefined) {
    return { ...findTarget(new StateStore(), flags), path: guestPath(place) };
  }
  if (flags.address !== undefined) {
    throw new CliError(
      `cp ${container}: with --address the container's root file system is unknown; name a path in the guest`,
    );
  }
  const target = findContainer(new StateStore(), flags, container);
  const { guest } = rootfsPlace("", target.container);
  return { ...target, path: `${guest}/${inside}` };
}

/** Returns the path to send; the agent rejects paths outside the shared folder. */
function guestPath(place: string): string {
  return place.startsWith("/") ? place : `${SHARED_IN_GUEST}/${place}`;
}
