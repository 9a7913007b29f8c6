import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ifThere } from "../lib/if-there.ts";
import { makeOwnedFolder } from "../lib/owned-folder.ts";
import { FolderError, safePlace } from "../lib/safe-place.ts";

/**
 * Creates a folder that only this user can access, unless it exists, and returns its real path, without links and
 * verified like in `checkPrivateFolder`. Throws FolderError, or Node's error of mkdir.
 */
export function makePrivateFolder(path: string): string {
  if (!existsSync(dirname(path))) makePrivateFolder(dirname(path));
  const real = safePlace(path);
  try {
    mkdirSync(real, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return checkFolder(real);
}

/** Creates a new folder below `parent` with an unpredictable name (`makeOwnedFolder`). Throws FolderError. */
export function makeTemporaryFolder(prefix: string, parent = tmpdir()): string {
  return makeOwnedFolder(safePlace(join(parent, prefix)));
}

/**
 * Returns the real path of a folder that belongs to this user, is not a link, is not accessible to other users, and is
 * in a safe place (`safePlace`). Paths below it need no further checks. Throws FolderError; returns undefined if the
 * folder doesn't exist.
 */
export function checkPrivateFolder(path: string): string | undefined {
  return ifThere(() => checkFolder(safePlace(path)));
}

function checkFolder(path: string): string {
  const found = lstatSync(path);
  if (!found.isDirectory()) throw new FolderError(`${path}: not a directory; remove it`);
  if (found.uid !== process.geteuid?.())
    throw new FolderError(`${path}: the folder belongs to uid ${found.uid}; remove it`);
  if ((found.mode & 0o077) !== 0)
    throw new FolderError(`${path}: other users can access it; chmod it to 700, or remove it`);
  return path;
}
