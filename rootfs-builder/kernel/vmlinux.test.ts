import { readFile } from "node:fs/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { elfSections } from "../debian/elf.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import { vmlinuxOf } from "./vmlinux.ts";

const elf = Buffer.from("\x7fELF and so on".repeat(100), "latin1");

/** Returns a bzImage with one setup sector and the header fields of the boot protocol. */
function bzImage(payload: Buffer): Buffer {
  const head = Buffer.alloc(1024);
  head[0x1f1] = 1;
  head.write("HdrS", 0x202);
  head.writeUInt16LE(0x020f, 0x206);
  head.writeUInt32LE(16, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, Buffer.alloc(16), payload, Buffer.from("what follows")]);
}

describe("vmlinuxOf", () => {
  test("returns Debian's kernel as an ELF file with the entry point that QEMU and Firecracker use", async () => {
    const { image } = await guestKernel();
    const kernel = await vmlinuxOf(await readFile(image), image);
    expect(kernel.readUInt16LE(18)).toBe(62); // x86-64
    const notes = elfSections(kernel, image).find(({ name }) => name === ".notes");
    // Xen's note 18 holds the address of the PVH entry: a name of 4 bytes, a value of 4 or 8.
    const note = (size: number) => Buffer.from([4, 0, 0, 0, size, 0, 0, 0, 18, 0, 0, 0, ...Buffer.from("Xen\0")]);
    expect([4, 8].some((size) => notes?.bytes.includes(note(size)))).toBe(true);
  });

  test.each([
    ["gzip", gzipSync(elf)],
    ["zstd", Buffer.concat([zstdCompressSync(elf), Buffer.alloc(4)])],
  ])("unpacks a kernel compressed with %s, and returns an ELF file unchanged", async (_, payload) => {
    expect(await vmlinuxOf(bzImage(payload), "k")).toEqual(elf);
    expect(await vmlinuxOf(elf, "k")).toBe(elf);
  });

  test.each([
    [Buffer.from("text"), "kernel k: neither an ELF file nor a bzImage"],
    [bzImage(gzipSync(elf)).subarray(0, 1040), "kernel k: cut off"],
    [bzImage(Buffer.from("BZh9 and so on")), "kernel k: unsupported compression (supported: gzip, lz4, zstd)"],
    [bzImage(gzipSync(Buffer.from("no kernel"))), "kernel k: its payload is not an ELF file"],
  ])("refuses a file that is not a kernel with one line (%#)", async (image, message) => {
    await expect(vmlinuxOf(image, "k")).rejects.toThrow(message);
  });
});
