import { statSync } from "node:fs";

/** Returns the inode number of a path, such as a namespace's; undefined if the path or its process no longer exists. */
export function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}
