import { SUPERBLOCK } from "../inspect/read-erofs.ts";

const CHECKSUM = SUPERBLOCK + 4;
const HAS_CHECKSUM = 1;

/**
 * Updates the checksum of an EROFS after a change. It covers the superblock's block, with the checksum itself as zero.
 */
export function writeChecksum(bytes: Buffer, blockSize: number): void {
  if ((bytes.readUInt32LE(SUPERBLOCK + 8) & HAS_CHECKSUM) === 0) return;
  bytes.writeUInt32LE(0, CHECKSUM);
  bytes.writeUInt32LE(crc32c(bytes.subarray(SUPERBLOCK, blockSize)), CHECKSUM);
}

/** Returns CRC-32C without the final inversion, as the kernel's crc32c() computes it from all ones. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0x82f6_3b78 : 0);
  }
  return crc >>> 0;
}
