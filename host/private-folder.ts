import { lstatSync, mkdirSync, mkdtempSync, realpathSync, type Stats } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const STICKY = 0o1000;
const BY_OTHERS = 0o022;

/** A folder that others can read, write or replace. */
class FolderError extends Error {
  override readonly name = "FolderError";
}

/**
 * Makes a folder that this user alone can reach, unless it is there already, and gives its real path: free of links, and
 * by the check of `checkPrivateFolder`. Throws FolderError, or Node's error of mkdir.
 */
export function makePrivateFolder(path: string): string {
  mkdirSync(dirname(path), { mode: 0o700, recursive: true });
  const real = checkedPlace(path);
  try {
    mkdirSync(real, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return checkFolder(real);
}

/** Makes a new one below `parent`, of an unforeseeable name. Throws FolderError. */
export function makeTemporaryFolder(prefix: string, parent = tmpdir()): string {
  const place = checkedPlace(join(parent, prefix));
  return mkdtempSync(place);
}

/**
 * Gives the real path of a folder that is this user's, is no link, and is open to nobody else; and that nobody but root can
 * put another one in the place of: each directory above it is root's or this user's, and not writable by others, or sticky
 * like /tmp. Below such a folder nothing has to be checked. Throws FolderError; undefined where there is none.
 */
export function checkPrivateFolder(path: string): string | undefined {
  try {
    return checkFolder(checkedPlace(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function checkFolder(path: string): string {
  const found = lstatSync(path);
  if (!found.isDirectory()) throw new FolderError(`${path}: it is not a directory: remove it`);
  if (found.uid !== process.geteuid?.()) throw new FolderError(`${path}: it belongs to uid ${found.uid}: remove it`);
  if ((found.mode & 0o077) !== 0) throw new FolderError(`${path}: others can reach it: chmod it to 700, or remove it`);
  return path;
}

/** The real path of an entry, whose last part is not followed. */
function checkedPlace(path: string): string {
  const parent = realpathSync(dirname(path));
  for (let at = parent; ; at = dirname(at)) {
    const why = replaceableBy(lstatSync(at));
    if (why !== undefined) throw new FolderError(`${path}: ${at} ${why}, who could replace what is in it: use another`);
    if (at === "/") return join(parent, basename(path));
  }
}

function replaceableBy({ uid, mode }: Stats): string | undefined {
  if (uid !== 0 && uid !== process.geteuid?.()) return `belongs to uid ${uid}`;
  return (mode & BY_OTHERS) !== 0 && (mode & STICKY) === 0 ? "can be written by other users" : undefined;
}
