import { open, readFile } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { attributeClass, inlineAttributes } from "../inspect/erofs-attributes.ts";
import { type InodePlace, readErofs, SUPERBLOCK } from "../inspect/read-erofs.ts";
import { nameWithin, placeholders } from "../tree/attributes.ts";
import { wholeMode } from "../tree/entry-type.ts";
import { stagedMode } from "../tree/stage.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { writeAll } from "../write-files.ts";
import { writeChecksum } from "./erofs-checksum.ts";

const MAX_COMPACT = 0xffff;

/**
 * Writes what an ordinary user's directory can't hold into an EROFS: the tree's owners, modes that would lock out the
 * builder, and extended attributes that only root can set. Changes the inodes and then the superblock's checksum.
 */
export async function setErofsMetadata(image: string, tree: Tree): Promise<void> {
  if (![...tree.values()].some(needsMetadata)) return;
  const bytes = await readFile(image);
  const { inodes, blockSize } = readErofs(bytes);
  const standing = new Map([...placeholders(tree)].map(([name, made]) => [made, name]));
  const file = await open(image, "r+");
  const write = (at: number, length: number) => writeAll(file, bytes.subarray(at, at + length), at);
  try {
    for (const [path, entry] of tree) {
      const inode = inodes.get(path);
      if (inode === undefined) throw new BuildError(`EROFS: ${path} is missing`);
      const end = settle(bytes, path, entry, inode, standing);
      if (end !== undefined) await write(inode.at, end - inode.at);
    }
    writeChecksum(bytes, blockSize);
    await write(SUPERBLOCK, blockSize - SUPERBLOCK);
  } finally {
    await file.close();
  }
}

/** True if the owner doesn't fit into a compact inode. */
export function needsLongInode({ uid = 0, gid = 0 }: Pick<TreeEntry, "uid" | "gid">): boolean {
  return Math.max(uid, gid) > MAX_COMPACT;
}

/** True if the builder's directory can't represent this entry. */
function needsMetadata({ uid = 0, gid = 0, xattrs, ...entry }: TreeEntry): boolean {
  if (uid !== 0 || gid !== 0 || (xattrs !== undefined && xattrs.size > 0)) return true;
  return entry.type !== "symlink" && stagedMode(entry) !== entry.mode;
}

/** Changes an inode in `bytes` and returns where the changed part ends. */
function settle(
  bytes: Buffer,
  path: string,
  entry: TreeEntry,
  { at, extended }: InodePlace,
  standing: ReadonlyMap<string, string>,
): number | undefined {
  const { uid = 0, gid = 0, xattrs } = entry;
  const end = at + (extended ? 64 : 32);
  if (!extended && needsLongInode(entry))
    throw new BuildError(`EROFS: no room for ${uid}:${gid}, the owner of ${path}`);
  const before = Buffer.from(bytes.subarray(at, end));
  if (entry.type !== "symlink") bytes.writeUInt16LE(wholeMode(entry.type, entry.mode), at + 4);
  // The extended form has eight bytes of owners here; the compact form has four, and four that are reserved.
  if (extended) {
    bytes.writeUInt32LE(uid, at + 24);
    bytes.writeUInt32LE(gid, at + 28);
  } else {
    bytes.writeUInt16LE(uid, at + 24);
    bytes.writeUInt16LE(gid, at + 26);
  }
  if (xattrs === undefined || standing.size === 0) return before.equals(bytes.subarray(at, end)) ? undefined : end;
  let last = end;
  for (const { at: place, name, end: next } of inlineAttributes(bytes, end, bytes.readUInt16LE(at + 2))) {
    const real = standing.get(name);
    if (real !== undefined) {
      bytes.writeUInt8(attributeClass(real), place + 1);
      bytes.write(nameWithin(real), place + 4);
    }
    last = next;
  }
  return last;
}
