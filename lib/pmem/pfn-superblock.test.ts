import { describe, expect, test } from "vitest";
import { PFN_SUPERBLOCK_SIZE, pfnSuperblock } from "./pfn-superblock.ts";

const MIB = 1024 * 1024;

describe("pfnSuperblock", () => {
  const block = pfnSuperblock(2 * MIB, 2 * MIB);

  test("has the fields of the kernel's nd_pfn_sb at their offsets", () => {
    expect(block.length).toBe(PFN_SUPERBLOCK_SIZE);
    expect(block.toString("latin1", 0, 16)).toBe("NVDIMM_PFN_INFO\0");
    expect(block.subarray(16, 52).every((byte) => byte === 0)).toBe(true);
    expect([block.readUInt16LE(52), block.readUInt16LE(54)]).toEqual([0, 2]);
    expect(block.readBigUInt64LE(56)).toBe(BigInt(2 * MIB));
    expect(block.readBigUInt64LE(64)).toBe(0n);
    expect([72, 76, 80, 84].map((at) => block.readUInt32LE(at))).toEqual([1, 0, 0, 2 * MIB]);
    expect(block.subarray(88, 4088).every((byte) => byte === 0)).toBe(true);
  });

  test("has a checksum over the block with the checksum field as zero", () => {
    // Computed by hand over the non-zero fields: word number (of 1024) and value.
    const words = new Map<number, bigint>([
      [13, 2n << 16n],
      [14, BigInt(2 * MIB)],
      [18, 1n],
      [21, BigInt(2 * MIB)],
    ]);
    for (let word = 0; word < 4; word += 1) words.set(word, BigInt(block.readUInt32LE(word * 4)));
    let low = 0n;
    let high = 0n;
    for (const [word, value] of words) {
      low += value;
      high += value * BigInt(1024 - word);
    }
    expect(block.readUInt32LE(4088)).toBe(Number(low & 0xffff_ffffn));
    expect(block.readUInt32LE(4092)).toBe(Number(high & 0xffff_ffffn));
  });
});
