import { open, readFile } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { readErofs } from "../inspect/read-erofs.ts";
import type { Tree } from "../tree/tree.ts";
import { writeChecksum } from "./erofs-checksum.ts";

const SUPERBLOCK = 1024;
const MAX_COMPACT = 0xffff;

/**
 * Gives what is in an EROFS the owners of its tree. mkfs.erofs takes them of a folder, where only root may set them, so they are
 * written into the inodes afterwards; then the superblock's block has a new checksum.
 */
export async function setErofsOwners(image: string, tree: Tree): Promise<void> {
  const owned = [...tree].filter(([, { uid = 0, gid = 0 }]) => uid !== 0 || gid !== 0);
  if (owned.length === 0) return;
  const bytes = await readFile(image);
  const { inodes, blockSize } = readErofs(bytes);
  const file = await open(image, "r+");
  try {
    for (const [path, { uid = 0, gid = 0 }] of owned) {
      const inode = inodes.get(path);
      if (inode === undefined) throw new BuildError(`EROFS: ${path} is not in it`);
      const { at, extended } = inode;
      if (!extended && Math.max(uid, gid) > MAX_COMPACT) {
        throw new BuildError(`EROFS: ${path} is of ${uid}:${gid}: owners go up to ${MAX_COMPACT} in it: take ext4`);
      }
      // The eight bytes there are owners in the long form; in the short one owners and four that are reserved.
      if (extended) {
        bytes.writeUInt32LE(uid, at + 24);
        bytes.writeUInt32LE(gid, at + 28);
      } else {
        bytes.writeUInt16LE(uid, at + 24);
        bytes.writeUInt16LE(gid, at + 26);
      }
      await file.write(bytes, at + 24, 8, at + 24);
    }
    writeChecksum(bytes, blockSize);
    await file.write(bytes, SUPERBLOCK, blockSize - SUPERBLOCK, SUPERBLOCK);
  } finally {
    await file.close();
  }
}
