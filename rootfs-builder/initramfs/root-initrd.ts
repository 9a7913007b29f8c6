import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

/** What the kernel runs of an initramfs; the root's own init is the same program. */
const FIRST: CpioEntry = { path: "init", type: "symlink", mode: 0o777, content: Buffer.from("/sbin/init") };

/**
 * A whole root as a gzipped cpio, which a kernel boots without any disk: all of the tree, sorted, and /init. Equal trees
 * give equal bytes.
 */
export async function rootInitrd(tree: Tree): Promise<Buffer> {
  const paths = [...tree.keys()].sort();
  const entries = paths.flatMap((path) => {
    const entry = tree.get(path);
    return entry === undefined ? [] : [cpioEntry(path, entry)];
  });
  return promisify(gzip)(cpioArchive([...entries, FIRST]), { level: 9 });
}

function cpioEntry(path: string, entry: TreeEntry): CpioEntry {
  switch (entry.type) {
    case "directory":
      return { path, type: "directory", mode: entry.mode };
    case "file":
      return { path, type: "file", mode: entry.mode, content: entry.content };
    case "symlink":
      return { path, type: "symlink", mode: 0o777, content: Buffer.from(entry.target) };
  }
}
