import { open, readFile } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { readErofs, SUPERBLOCK } from "../inspect/read-erofs.ts";
import type { Tree, TreeFile } from "../tree/tree.ts";
import { writeAll } from "../write-all.ts";
import { PARTITION_START } from "./disk-image.ts";
import { writeChecksum } from "./erofs-checksum.ts";

const MIB = 1024 * 1024;
/** From this size on a hole before a file, of less than 2 MiB, is small beside it. */
const LARGE = 16 * MIB;
/** What a processor maps at once, of a disk that begins at such a boundary in a guest's memory. */
const HUGE_PAGE = 2 * MIB;
const BLOCKS = SUPERBLOCK + 36;

/** The tree with its large files empty: mkfs.erofs would put them anywhere. Names of one file stay names of one file. */
export function withoutLargeFiles(tree: Tree): Tree {
  const emptied = new Map(largeFiles(tree).map(([, file]) => [file, { ...file, content: Buffer.alloc(0) }]));
  return new Map([...tree].map(([path, entry]) => [path, (entry.type === "file" && emptied.get(entry)) || entry]));
}

/**
 * Puts the large files of a tree behind all else of its EROFS, each where DAX can map it in pages of 2 MiB. Of Node, whose
 * 100 MB are read all over, half of the page faults of a start are gone, and the page tables for it.
 */
export async function placeLargeFiles(image: string, tree: Tree): Promise<void> {
  const large = largeFiles(tree);
  if (large.length === 0) return;
  const bytes = await readFile(image);
  const { inodes, layouts, blockSize } = readErofs(bytes);
  const file = await open(image, "r+");
  try {
    let end = bytes.length;
    for (const [path, { content }] of large) {
      const inode = inodes.get(path);
      if (inode?.size !== 0 || layouts.get(path) !== "plain")
        throw new BuildError(`EROFS: ${path} is not an empty file`);
      const start = Math.ceil((end + PARTITION_START) / HUGE_PAGE) * HUGE_PAGE - PARTITION_START;
      bytes.writeUInt32LE(content.length, inode.at + 8);
      bytes.writeUInt32LE(start / blockSize, inode.at + 16);
      await writeAll(file, content, start);
      end = Math.ceil((start + content.length) / blockSize) * blockSize;
    }
    bytes.writeUInt32LE(end / blockSize, BLOCKS);
    writeChecksum(bytes, blockSize);
    await writeAll(file, bytes, 0);
    await file.truncate(end);
  } finally {
    await file.close();
  }
}

/** Each once, in the order of their paths. */
function largeFiles(tree: Tree): [string, TreeFile][] {
  const found = new Map<TreeFile, string>();
  for (const path of [...tree.keys()].sort()) {
    const entry = tree.get(path);
    if (entry?.type === "file" && entry.content.length >= LARGE && !found.has(entry)) found.set(entry, path);
  }
  return Array.from(found, ([file, path]) => [path, file]);
}
