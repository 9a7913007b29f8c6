import { lstatSync, realpathSync, type Stats } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const STICKY = 0o1000;
const BY_OTHERS = 0o022;

/** Reports a folder that other users can read, write or replace. */
export class FolderError extends Error {
  override readonly name = "FolderError";
}

/**
 * Returns the real path of an entry that only root and this user can replace; the last name is not followed. Each
 * directory above it belongs to root or this user, and is either not writable by others or sticky like /tmp. Throws
 * FolderError, or Node's error if the directory above doesn't exist.
 */
export function safePlace(path: string): string {
  const parent = realpathSync(dirname(path));
  for (let at = parent; ; at = dirname(at)) {
    const why = replaceableBy(lstatSync(at));
    if (why !== undefined)
      throw new FolderError(`${path}: ${at} ${why}, who could replace files in it: use another folder`);
    if (at === "/") return join(parent, basename(path));
  }
}

/**
 * Returns the real path of the directory for temporary files. Throws FolderError if other users can replace files in
 * it.
 */
export function temporaryPlace(): string {
  return dirname(safePlace(join(tmpdir(), "file")));
}

function replaceableBy({ uid, mode }: Stats): string | undefined {
  if (uid !== 0 && uid !== process.geteuid?.()) return `belongs to uid ${uid}`;
  return (mode & BY_OTHERS) !== 0 && (mode & STICKY) === 0 ? "can be written by other users" : undefined;
}
