import { lstat, readdir, readlink } from "node:fs/promises";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../kernel/constants.ts";

/** An entry at a path below a directory. */
export interface TreeEntry {
  readonly kind: "directory" | "file" | "link";
  /** Includes the file type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Target of a link. */
  readonly target: string;
  /** Differs if content or attributes have changed. */
  readonly version: string;
}

export interface TreeLimits {
  readonly files: number;
  /** Sum over all files. */
  readonly bytes: number;
}

/** Most directories and links. No volume of settings has more. */
const MAX_OTHERS = 4096;

const KINDS = new Map<number, TreeEntry["kind"]>([
  [S_IFDIR, "directory"],
  [S_IFREG, "file"],
  [S_IFLNK, "link"],
]);

/**
 * Returns all directories, files and links below a directory by relative path, or undefined if they exceed the limits.
 */
export async function scanTree(root: string, limits: TreeLimits): Promise<Map<string, TreeEntry> | undefined> {
  const found = new Map<string, TreeEntry>();
  let [files, bytes] = [0, 0];
  const pending = [""];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const name of (await readdir(`${root}/${directory}`)).sort()) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const entry = await entryAt(`${root}/${path}`);
      if (entry === undefined) continue;
      found.set(path, entry);
      if (entry.kind === "directory") pending.push(path);
      if (entry.kind === "file") {
        files += 1;
        bytes += entry.size;
      }
      if (files > limits.files || bytes > limits.bytes || found.size - files > MAX_OTHERS) return undefined;
    }
  }
  return found;
}

async function entryAt(path: string): Promise<TreeEntry | undefined> {
  const { mode, uid, gid, size, ino, mtimeNs, ctimeNs } = await lstat(path, { bigint: true });
  const kind = KINDS.get(Number(mode) & S_IFMT);
  if (kind === undefined) return undefined;
  return {
    kind,
    mode: Number(mode),
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    target: kind === "link" ? await readlink(path) : "",
    version: kind === "directory" ? `${mode} ${uid} ${gid}` : [mode, uid, gid, size, ino, mtimeNs, ctimeNs].join(" "),
  };
}
