import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";

/** Paths of all below a folder, in order. A link is a name; what is behind it is not looked at. */
export async function listFolder(folder: string): Promise<string[]> {
  // Without file types Node follows links to folders.
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.map(({ parentPath, name }) => relative(folder, join(parentPath, name))).sort();
}
