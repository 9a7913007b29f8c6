import { statSync } from "node:fs";

/** Returns the inode that identifies a namespace; undefined if its path doesn't exist, as after the process's end. */
export function namespaceInode(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}
