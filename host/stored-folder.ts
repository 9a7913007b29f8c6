import { existsSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { ifThere } from "../lib/if-there.ts";
import { removeTree } from "../lib/remove-tree.ts";
import { prepareUses, removeUnused, usesOf } from "./folder-uses.ts";
import { makeTemporaryFolder } from "./private-folder.ts";

/**
 * Moves a complete folder to its path in a store, where it appears at once. Returns false if the store has one there
 * already.
 */
export function storeFolder(staging: string, path: string): boolean {
  prepareUses(staging);
  return moveFolder(staging, path);
}

/** Moves a folder to a path, where it appears at once. Returns false if a folder with files is there already. */
export function moveFolder(folder: string, path: string): boolean {
  try {
    renameSync(folder, path);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/**
 * Removes a folder from the store in `root`, where it disappears at once. Returns false if a process uses it and `force`
 * isn't set; true also if another process has removed it.
 */
export async function removeStored(
  root: string,
  path: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<boolean> {
  const staging = makeTemporaryFolder("removing-", root);
  const moved = join(staging, "folder");
  // Another process may have removed it.
  const move = () => ifThere(() => renameSync(path, moved));
  try {
    if (!force) return removeUnused(path, move) || !existsSync(path);
    move();
    return true;
  } finally {
    // First, while the staging folder says whose it is: if this process is killed, the next removal continues.
    await removeTree(moved);
    await removeTree(staging);
  }
}

/** Returns when a stored folder was last used; undefined if it isn't there. */
export function lastUse(path: string): Date | undefined {
  return statSync(usesOf(path), { throwIfNoEntry: false })?.mtime;
}
