import { lstatSync, readlinkSync } from "node:fs";
import { O_PATH, RESOLVE_NO_SYMLINKS } from "./constants.ts";
import { SystemError } from "./error.ts";
import type { Fd, Sys } from "./kernel.ts";
import { LimitedCalls } from "./wait/limited-calls.ts";

/** Directories whose links the guest itself created: a container that can write there controls the guest anyway. */
const OWN = /^\/(var|etc(\/.+)?|usr(\/.+)?)?$/;
const MAX_LINKS = 40;
const ELOOP = 40;

/**
 * Resolves the links in a guest path that the guest itself created, such as /var/run: those directly in / and /var, and
 * anywhere below /etc and /usr. Any other link may be a container's and stays in the path, so that opening it with
 * RESOLVE_NO_SYMLINKS fails. Throws SystemError for a loop.
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

/** Calls in directories that containers may hold for good: they keep two threads at most. A mount may take its time. */
export const holdable = new LimitedCalls(2, 10_000);

/**
 * Opens a guest path (O_PATH) off the main thread, following only the guest's own links. Throws SystemError, ELOOP for a
 * link that a container may have created. The caller closes the descriptor.
 */
export async function openPlain(sys: Pick<Sys, "openInside">, path: string): Promise<Fd> {
  // The directory descriptor is ignored: the path is absolute.
  return holdable.run(path, () => sys.openInside(0, plainPath(path), O_PATH, RESOLVE_NO_SYMLINKS));
}
