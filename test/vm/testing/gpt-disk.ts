import { readFileSync, writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";

const SECTOR = 512;
const ENTRIES = 128;
const ENTRY = 128;
const FIRST = 2048;
const TAIL = 33;
/** The GUID of "Linux filesystem data", as stored on disk. */
const TYPE = Buffer.from("af3dc60f838472478e793d69d8477de4", "hex");

/** Writes a disk whose partitions, numbered from 1, hold the files. */
export function makeGptDisk(target: string, files: readonly string[]): void {
  const contents = files.map((file) => readFileSync(file));
  const entries = Buffer.alloc(ENTRIES * ENTRY);
  const starts: number[] = [];
  let next = FIRST;
  for (const [index, content] of contents.entries()) {
    const sectors = Math.ceil(content.length / SECTOR);
    TYPE.copy(entries, index * ENTRY);
    entries.fill(index + 1, index * ENTRY + 16, index * ENTRY + 32);
    entries.writeBigUInt64LE(BigInt(next), index * ENTRY + 32);
    entries.writeBigUInt64LE(BigInt(next + sectors - 1), index * ENTRY + 40);
    starts.push(next);
    next = Math.ceil((next + sectors) / FIRST) * FIRST;
  }
  const total = next + TAIL;
  const disk = Buffer.alloc(total * SECTOR);
  protectiveMbr(total).copy(disk);
  header(1, total - 1, 2, total, entries).copy(disk, SECTOR);
  entries.copy(disk, 2 * SECTOR);
  for (const [index, content] of contents.entries()) content.copy(disk, (starts[index] ?? 0) * SECTOR);
  entries.copy(disk, (total - TAIL) * SECTOR);
  header(total - 1, 1, total - TAIL, total, entries).copy(disk, (total - 1) * SECTOR);
  writeFileSync(target, disk);
}

function protectiveMbr(total: number): Buffer {
  const mbr = Buffer.alloc(SECTOR);
  mbr.writeUInt8(0xee, 450);
  mbr.writeUInt32LE(1, 454);
  mbr.writeUInt32LE(total - 1, 458);
  mbr.writeUInt16LE(0xaa55, 510);
  return mbr;
}

function header(own: number, other: number, entriesAt: number, total: number, entries: Buffer): Buffer {
  const bytes = Buffer.alloc(92);
  bytes.write("EFI PART");
  bytes.writeUInt32LE(0x10000, 8);
  bytes.writeUInt32LE(bytes.length, 12);
  const places = [own, other, FIRST, total - TAIL - 1];
  for (const [index, sector] of places.entries()) bytes.writeBigUInt64LE(BigInt(sector), 24 + index * 8);
  bytes.fill(9, 56, 72);
  bytes.writeBigUInt64LE(BigInt(entriesAt), 72);
  bytes.writeUInt32LE(ENTRIES, 80);
  bytes.writeUInt32LE(ENTRY, 84);
  bytes.writeUInt32LE(crc32(entries), 88);
  bytes.writeUInt32LE(crc32(bytes), 16);
  return bytes;
}
