import { BuildError } from "../build-error.ts";

const SECTOR = 512;

const MAX_SECTORS = 0xffff_ffff;
const LINUX = 0x83;
/** Cylinder, head and sector of a partition that is addressed by sector number alone. */
const NO_CHS = [0xfe, 0xff, 0xff];

/** A master boot record with one Linux partition; offsets and sizes in bytes. */
export function mbr(start: number, size: number): Buffer {
  if (start % SECTOR !== 0 || size % SECTOR !== 0 || (start + size) / SECTOR > MAX_SECTORS) {
    throw new BuildError(`partition at ${start} of ${size} bytes: whole sectors of ${SECTOR} below 2 TiB are needed`);
  }
  const record = Buffer.alloc(SECTOR);
  const entry = record.subarray(446);
  entry.set(NO_CHS, 1);
  entry[4] = LINUX;
  entry.set(NO_CHS, 5);
  entry.writeUInt32LE(start / SECTOR, 8);
  entry.writeUInt32LE(size / SECTOR, 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}
