import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeOwnedFolder } from "../lib/owned-folder.ts";
import { FolderError, safePlace } from "../lib/safe-place.ts";

/**
 * Makes a folder that this user alone can reach, unless it is there already, and gives its real path: free of links, and
 * by the check of `checkPrivateFolder`. Throws FolderError, or Node's error of mkdir.
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

/** Makes a new one below `parent`, of an unforeseeable name (`makeOwnedFolder`). Throws FolderError. */
export function makeTemporaryFolder(prefix: string, parent = tmpdir()): string {
  return makeOwnedFolder(safePlace(join(parent, prefix)));
}

/**
 * Gives the real path of a folder that is this user's, is no link, is open to nobody else, and is in a safe place
 * (`safePlace`). Below such a folder nothing has to be checked. Throws FolderError; undefined where there is none.
 */
export function checkPrivateFolder(path: string): string | undefined {
  try {
    return checkFolder(safePlace(path));
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
