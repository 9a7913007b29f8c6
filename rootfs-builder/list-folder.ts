import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";

/** Paths of all below a folder, or of what `takes` wants, in order. A link is a name; what is behind it is not looked at. */
export async function listFolder(folder: string, takes: (entry: Dirent) => boolean = () => true): Promise<string[]> {
  // Without file types Node follows links to folders.
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter(takes)
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
    .sort();
}
