import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fletcher64 } from "../../lib/pmem/fletcher64.ts";
import { makeErofs } from "./erofs.ts";
import { writeDiskImage } from "./write-image.ts";

const SECTOR = 512;
const MIB = 1024 * 1024;
const EROFS_MAGIC = 0xe0f5e1e2;
const NOT_EMPTY = 16;

/** Reads an image as the kernel's drivers do, using only its own bytes. */
class Image {
  readonly #bytes: Buffer;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** Returns the only partition on a device that starts at `start` of the file. */
  partition(start: number): { from: number; to: number } {
    const table = this.#bytes.subarray(start, start + SECTOR);
    expect(table.readUInt16LE(510)).toBe(0xaa55);
    expect(table.subarray(446 + NOT_EMPTY, 510).every((byte) => byte === 0)).toBe(true);
    const from = start + table.readUInt32LE(454) * SECTOR;
    return { from, to: from + table.readUInt32LE(458) * SECTOR };
  }

  /** Returns where the nd_pfn driver's device starts, or undefined without a valid superblock. */
  pmemStart(): number | undefined {
    const block = Buffer.from(this.#bytes.subarray(4096, 8192));
    if (block.toString("latin1", 0, 16) !== "NVDIMM_PFN_INFO\0") return undefined;
    const checksum = block.readBigUInt64LE(4088);
    block.fill(0, 4088);
    return fletcher64(block) === checksum ? Number(block.readBigUInt64LE(56)) : undefined;
  }

  isErofs(offset: number): boolean {
    return this.#bytes.readUInt32LE(offset + 1024) === EROFS_MAGIC;
  }
}

describe("a raw image around an EROFS", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-whole-image-"));
    await mkdir(join(directory, "root"));
    await writeFile(join(directory, "root/file"), "x".repeat(5000));
    await makeErofs(join(directory, "root"), join(directory, "root.erofs"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  async function image(daxHeader: boolean): Promise<Image> {
    const path = join(directory, `${daxHeader}.img`);
    await writeDiskImage(join(directory, "root.erofs"), path, { daxHeader });
    const file = await open(path);
    try {
      return new Image(await file.readFile());
    } finally {
      await file.close();
    }
  }

  test("with the header has one partition, at the same place as a disk and as an NVDIMM", async () => {
    const whole = await image(true);
    const seenByDisk = whole.partition(0);
    expect(seenByDisk).toEqual({ from: 3 * MIB, to: whole.size });
    expect(whole.pmemStart()).toBe(2 * MIB);
    expect(whole.partition(whole.pmemStart() ?? 0)).toEqual(seenByDisk);
    expect(whole.isErofs(seenByDisk.from)).toBe(true);
  });

  test("without the header has one partition as a disk, and is not an NVDIMM with DAX", async () => {
    const whole = await image(false);
    const seenByDisk = whole.partition(0);
    expect(seenByDisk).toEqual({ from: MIB, to: whole.size });
    expect(whole.pmemStart()).toBeUndefined();
    expect(whole.isErofs(seenByDisk.from)).toBe(true);
    expect(whole.size % (128 * MIB)).toBe(0);
  });
});
