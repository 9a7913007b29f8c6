import { SUPERBLOCK } from "../inspect/read-erofs.ts";

const CHECKSUM = SUPERBLOCK + 4;
const HAS_CHECKSUM = 1;

/** Makes the checksum of an EROFS right again after a change: of the superblock's block, over itself as zero. */
export function writeChecksum(bytes: Buffer, blockSize: number): void {
  if ((bytes.readUInt32LE(SUPERBLOCK + 8) & HAS_CHECKSUM) === 0) return;
  bytes.writeUInt32LE(0, CHECKSUM);
  bytes.writeUInt32LE(crc32c(bytes.subarray(SUPERBLOCK, blockSize)), CHECKSUM);
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
