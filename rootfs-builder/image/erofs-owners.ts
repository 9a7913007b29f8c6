import { open, readFile } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { readErofs } from "../inspect/read-erofs.ts";
import type { Tree } from "../tree/tree.ts";

const SUPERBLOCK = 1024;
const CHECKSUM = SUPERBLOCK + 4;
const HAS_CHECKSUM = 1;
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
    if ((bytes.readUInt32LE(SUPERBLOCK + 8) & HAS_CHECKSUM) === 0) return;
    // Over itself it counts as zero.
    bytes.writeUInt32LE(0, CHECKSUM);
    bytes.writeUInt32LE(crc32c(bytes.subarray(SUPERBLOCK, blockSize)), CHECKSUM);
    await file.write(bytes, CHECKSUM, 4, CHECKSUM);
  } finally {
    await file.close();
  }
}

/** CRC-32C without the last inversion, as the kernel's crc32c() with all ones to begin with. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0x82f6_3b78 : 0);
  }
  return crc >>> 0;
}
