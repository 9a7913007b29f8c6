import { lstat, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../../image/image-error.ts";
import { listFolder } from "../list-folder.ts";
import type { Tree } from "./tree.ts";

export interface FolderOptions {
  /** The mode for one of this mode. */
  readonly modeOf: (mode: number, type: "directory" | "file") => number;
  /** Of everything; root when left out. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** All below a folder; no link is followed. Throws ImageError for what an image has no use for. */
export async function folderTree(folder: string, { modeOf, owner }: FolderOptions): Promise<Tree> {
  const tree: Tree = new Map();
  const { uid = 0, gid = 0 } = owner ?? {};
  const owned = { ...(uid === 0 ? {} : { uid }), ...(gid === 0 ? {} : { gid }) };
  for (const path of await listFolder(folder)) {
    const place = join(folder, path);
    const found = await lstat(place);
    const mode = found.mode & 0o7777;
    if (found.isDirectory()) tree.set(path, { type: "directory", mode: modeOf(mode, "directory"), ...owned });
    else if (found.isSymbolicLink()) tree.set(path, { type: "symlink", target: await readlink(place), ...owned });
    else if (found.isFile())
      tree.set(path, { type: "file", mode: modeOf(mode, "file"), content: await readFile(place), ...owned });
    else throw new ImageError(`${path}: only files, directories and links go into an image`);
  }
  return tree;
}
