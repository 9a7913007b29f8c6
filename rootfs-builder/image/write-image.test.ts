import { mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeDiskImage } from "./write-image.ts";

const MIB = 1024 * 1024;

describe("writeDiskImage", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-write-image-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("writes the whole file system at 3 MiB, with holes for zeros", async () => {
    const content = Buffer.alloc(5 * MIB + 4096);
    content.fill("x", 4 * MIB);
    const source = join(directory, "root.erofs");
    const target = join(directory, "guest.img");
    await writeFile(source, content);
    expect(await writeDiskImage(source, target)).toBe(128 * MIB);
    const { size, blocks } = await stat(target);
    expect(size).toBe(128 * MIB);
    expect(blocks * 512).toBeLessThan(4 * MIB);
    const file = await open(target);
    try {
      const { buffer } = await file.read(Buffer.alloc(content.length), 0, content.length, 3 * MIB);
      expect(buffer.equals(await readFile(source))).toBe(true);
    } finally {
      await file.close();
    }
  });
});
