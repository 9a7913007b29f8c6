import { BuildError } from "../build-error.ts";

const SECTOR = 512;
const ENTRY = 16;
const MAX_SECTORS = 0xffff_ffff;
const LINUX = 0x83;
/** Cylinder, head and sector of a partition that is addressed only by sector number. */
const NO_CHS = [0xfe, 0xff, 0xff];

export interface Partition {
  /** Offset in bytes. */
  readonly start: number;
  readonly size: number;
}

/** Returns a master boot record with up to four Linux partitions. */
export function mbr(partitions: readonly Partition[]): Buffer {
  const record = Buffer.alloc(SECTOR);
  for (const [index, { start, size }] of partitions.entries()) {
    if (start % SECTOR !== 0 || size % SECTOR !== 0 || (start + size) / SECTOR > MAX_SECTORS) {
      throw new BuildError(
        `partition at ${start} of ${size} bytes: needs whole sectors of ${SECTOR} bytes below 2 TiB`,
      );
    }
    const entry = record.subarray(446 + ENTRY * index, 510);
    entry.set(NO_CHS, 1);
    entry[4] = LINUX;
    entry.set(NO_CHS, 5);
    entry.writeUInt32LE(start / SECTOR, 8);
    entry.writeUInt32LE(size / SECTOR, 12);
  }
  record.writeUInt16LE(0xaa55, 510);
  return record;
}
