import { readFile } from "node:fs/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { elfSections } from "../debian/elf.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import { vmlinuxOf } from "./vmlinux.ts";

const elf = Buffer.from("\x7fELF and so on".repeat(100), "latin1");

/** A bzImage of one setup sector, with the fields that the boot protocol's header has. */
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
  test("gives Debian's kernel as an ELF file with the entry that QEMU and Firecracker take", async () => {
    const { image } = await guestKernel();
    const kernel = await vmlinuxOf(await readFile(image), image);
    expect(kernel.readUInt16LE(18)).toBe(62); // x86-64
    const notes = elfSections(kernel, image).find(({ name }) => name === ".notes");
    // Xen's note 18 has the address of the PVH entry: a name of 4 bytes, a value of 4 or 8
    const note = (size: number) => Buffer.from([4, 0, 0, 0, size, 0, 0, 0, 18, 0, 0, 0, ...Buffer.from("Xen\0")]);
    expect([4, 8].some((size) => notes?.bytes.includes(note(size)))).toBe(true);
  });

  test.each([
    ["gzip", gzipSync(elf)],
    ["zstd", Buffer.concat([zstdCompressSync(elf), Buffer.alloc(4)])],
  ])("unpacks what is packed by %s, and an ELF file is as it is", async (_, payload) => {
    expect(await vmlinuxOf(bzImage(payload), "k")).toEqual(elf);
    expect(await vmlinuxOf(elf, "k")).toBe(elf);
  });

  test.each([
    [Buffer.from("text"), "kernel k: neither an ELF file nor a bzImage"],
    [bzImage(gzipSync(elf)).subarray(0, 1040), "kernel k: cut off"],
    [bzImage(Buffer.from("BZh9 and so on")), "kernel k: packed by a method that is not known here"],
    [bzImage(gzipSync(Buffer.from("no kernel"))), "kernel k: what is packed in it is no ELF"],
  ])("refuses what is no kernel in one line (%#)", async (image, message) => {
    await expect(vmlinuxOf(image, "k")).rejects.toThrow(message);
  });
});
