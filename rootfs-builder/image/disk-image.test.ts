import { describe, expect, test } from "vitest";
import { diskLayout } from "./disk-image.ts";
import { mbr } from "./mbr.ts";

const MIB = 1024 * 1024;
const SECTORS_PER_MIB = MIB / 512;

function partition(record: Buffer | undefined): {
  type?: number;
  start?: number;
  sectors?: number;
  signature?: number;
} {
  return {
    type: record?.[450] ?? -1,
    start: record?.readUInt32LE(454) ?? -1,
    sectors: record?.readUInt32LE(458) ?? -1,
    signature: record?.readUInt16LE(510) ?? -1,
  };
}

describe("diskLayout", () => {
  const layout = diskLayout(100 * MIB);
  const partAt = (offset: number) => layout.parts.find((part) => part.offset === offset)?.bytes;

  test("puts the file system 3 MiB into a file of whole 128 MiB", () => {
    expect(layout.fileSystemOffset).toBe(3 * MIB);
    expect(layout.size).toBe(128 * MIB);
    expect(diskLayout(125 * MIB).size).toBe(128 * MIB);
    expect(diskLayout(125 * MIB + 1).size).toBe(256 * MIB);
  });

  test("shows the same partition from the start of the file and from the NVDIMM's data", () => {
    const sectors = 125 * SECTORS_PER_MIB;
    expect(partition(partAt(0))).toEqual({ type: 0x83, start: 3 * SECTORS_PER_MIB, sectors, signature: 0xaa55 });
    expect(partition(partAt(2 * MIB))).toEqual({ type: 0x83, start: SECTORS_PER_MIB, sectors, signature: 0xaa55 });
  });

  test("has the pfn superblock at 4 KiB, with the data at 2 MiB", () => {
    const block = partAt(4096);
    expect(block?.toString("latin1", 0, 15)).toBe("NVDIMM_PFN_INFO");
    expect(block?.readBigUInt64LE(56)).toBe(BigInt(2 * MIB));
  });
});

describe("diskLayout without the DAX header", () => {
  const layout = diskLayout(100 * MIB, { daxHeader: false });

  test("puts the file system at 1 MiB, with only the partition table before it", () => {
    expect(layout.fileSystemOffset).toBe(MIB);
    expect(layout.parts.map(({ offset }) => offset)).toEqual([0]);
    const sectors = 127 * SECTORS_PER_MIB;
    expect(partition(layout.parts[0]?.bytes)).toEqual({
      type: 0x83,
      start: SECTORS_PER_MIB,
      sectors,
      signature: 0xaa55,
    });
  });

  test("has a size that is a multiple of 128 MiB", () => {
    expect(diskLayout(127 * MIB, { daxHeader: false }).size).toBe(128 * MIB);
    expect(diskLayout(127 * MIB + 1, { daxHeader: false }).size).toBe(256 * MIB);
  });
});

describe("mbr", () => {
  test("refuses a partition that is not a whole number of sectors", () => {
    expect(() => mbr([{ start: 1000, size: 512 }])).toThrow(
      "partition at 1000 of 512 bytes: needs whole sectors of 512 bytes below 2 TiB",
    );
  });
});
