import { lstat, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../../image/image-error.ts";
import { reason } from "../../lib/reason.ts";
import { listFolder } from "../list-folder.ts";
import { checkPath } from "./check-entry.ts";
import { owned, type Tree, type TreeEntry } from "./tree.ts";

export interface FolderOptions {
  /** Maps an entry's mode. */
  readonly modeOf: (mode: number, type: "directory" | "file", path: string) => number;
  /** Owner of all entries; defaults to root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Extended attributes by path; by default, none. */
  readonly attributes?: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
}

/**
 * Returns everything below a folder, with hard links; follows no link. Throws ImageError for types that an image can't
 * have.
 */
export async function folderTree(folder: string, { modeOf, owner, attributes }: FolderOptions): Promise<Tree> {
  const tree: Tree = new Map();
  const linked = new Map<string, TreeEntry>();
  for (const path of await listFolder(folder)) {
    const place = join(folder, path);
    checkNameIn(path);
    const found = await lstat(place);
    const ofIt = owned({ ...owner, xattrs: attributes?.get(path) });
    const inode = found.nlink > 1 ? inodeOf(found) : "";
    const same = linked.get(inode);
    const mode = found.mode & 0o7777;
    if (found.isDirectory()) tree.set(path, { type: "directory", mode: modeOf(mode, "directory", path), ...ofIt });
    else if (found.isSymbolicLink()) tree.set(path, { type: "symlink", target: await readlink(place), ...ofIt });
    else if (same !== undefined) tree.set(path, same);
    else if (found.isFile()) {
      const file = { type: "file", mode: modeOf(mode, "file", path), content: await readFile(place), ...ofIt } as const;
      tree.set(path, file);
      if (inode !== "") linked.set(inode, file);
    } else throw new ImageError(`${path}: only files, directories and links go into an image`);
  }
  return tree;
}

/** Checks a path in a folder; throws an ImageError that names it. */
export function checkNameIn(path: string): void {
  try {
    checkPath(path);
  } catch (error) {
    throw new ImageError(`entry ${JSON.stringify(path)}: ${reason(error)}`);
  }
}

/** Returns a key that is equal for hard links of one file. */
export function inodeOf({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}/${ino}`;
}
