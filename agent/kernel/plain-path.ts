import { lstatSync, readlinkSync } from "node:fs";
import { O_PATH, RESOLVE_NO_SYMLINKS } from "./constants.ts";
import { SystemError } from "./error.ts";
import type { Fd, Sys } from "./kernel.ts";

/** Directories of the guest itself: a container that can write there has the guest anyway. */
const OWN = /^\/(var|etc(\/.+)?|usr(\/.+)?)?$/;
const MAX_LINKS = 40;
const ELOOP = 40;

/**
 * A path of the guest without the links that the guest itself has made: those directly in / and /var, and anywhere below /etc
 * and /usr, such as /var/run. Any other link may be a container's: it stays in the path, to be refused by who opens it with
 * RESOLVE_NO_SYMLINKS. Throws SystemError for a loop.
 */
export function plainPath(path: string): string {
  const ahead = path.split("/").toReversed();
  let done = "";
  for (let links = 0; ahead.length > 0; ) {
    const name = ahead.pop() ?? "";
    if (name === "" || name === ".") continue;
    if (name === "..") done = done.slice(0, Math.max(0, done.lastIndexOf("/")));
    else if (!OWN.test(done === "" ? "/" : done) || !isLink(`${done}/${name}`)) done = `${done}/${name}`;
    else {
      if (++links > MAX_LINKS) throw new SystemError("resolve", ELOOP, path);
      const target = readlinkSync(`${done}/${name}`);
      if (target.startsWith("/")) done = "";
      ahead.push(...target.split("/").toReversed());
    }
  }
  return done === "" ? "/" : done;
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/**
 * Opens (O_PATH) what a path of the guest names, following no link but the guest's own. Off the main thread; throws
 * SystemError, ELOOP for a link that a container may have made. Closed by the caller.
 */
export async function openPlain(sys: Pick<Sys, "openInside">, path: string): Promise<Fd> {
  // Descriptor 0 counts for nothing, as the path is absolute.
  return sys.openInside(0, plainPath(path), O_PATH, RESOLVE_NO_SYMLINKS, []);
}
