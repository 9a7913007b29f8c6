import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";

/** Returns the sorted paths below a folder, or those that `takes` accepts. A link is listed but not followed. */
export async function listFolder(folder: string, takes: (entry: Dirent) => boolean = () => true): Promise<string[]> {
  // Without file types, Node follows links to folders.
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter(takes)
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
    .sort();
}
