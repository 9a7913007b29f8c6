import {
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../kernel/constants.ts";
import type { Served } from "../kernel/files/contained-files.ts";
import { type Handle, ROOT } from "../kernel/files/served-files.ts";

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
/** Entries that are looked up at once; a server has 4096 handles. */
const AT_ONCE = 256;
const PLAIN = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

const KINDS = new Map<number, TreeEntry["kind"]>([
  [S_IFDIR, "directory"],
  [S_IFREG, "file"],
  [S_IFLNK, "link"],
]);

/**
 * Returns all directories, files and links below a directory by relative path, or undefined if they exceed the limits.
 */
export function scanTree(files: Served, root: string, limits: TreeLimits): Promise<Map<string, TreeEntry> | undefined> {
  return files.using(files.open(ROOT, root, O_PATH | O_DIRECTORY), async (top) => {
    const found = new Map<string, TreeEntry>();
    let [count, bytes] = [0, 0];
    const pending = [""];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      for await (const [name, entry] of entriesIn(files, top, directory)) {
        const path = directory === "" ? name : `${directory}/${name}`;
        found.set(path, entry);
        if (entry.kind === "directory") pending.push(path);
        if (entry.kind === "file") {
          count += 1;
          bytes += entry.size;
        }
        if (count > limits.files || bytes > limits.bytes || found.size - count > MAX_OTHERS) return undefined;
      }
    }
    return found;
  });
}

async function* entriesIn(files: Served, top: Handle, path: string): AsyncGenerator<[name: string, entry: TreeEntry]> {
  const { handle } = await files.open(top, path === "" ? "." : path, O_DIRECTORY, PLAIN);
  try {
    for await (const some of files.names(handle)) {
      for (let at = 0; at < some.length; at += AT_ONCE) {
        const names = some.slice(at, at + AT_ONCE);
        const entries = await Promise.all(names.map((name) => entryAt(files, handle, name)));
        for (const [index, entry] of entries.entries()) if (entry !== undefined) yield [`${names[index]}`, entry];
      }
    }
  } finally {
    files.close(handle);
  }
}

async function entryAt(files: Served, directory: Handle, name: Buffer): Promise<TreeEntry | undefined> {
  const { handle, attributes } = await files.entry(directory, name);
  files.close(handle);
  const { mode, uid, gid, size, ino, mtimeNs, ctimeNs } = attributes;
  const kind = KINDS.get(Number(mode) & S_IFMT);
  if (kind === undefined) return undefined;
  return {
    kind,
    mode: Number(mode),
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    target: kind === "link" ? `${await files.readLink(directory, name)}` : "",
    version: kind === "directory" ? `${mode} ${uid} ${gid}` : [mode, uid, gid, size, ino, mtimeNs, ctimeNs].join(" "),
  };
}
