import { BuildError } from "../../../../rootfs-builder/build-error.ts";
import { diskParts, isDisk } from "../../../../rootfs-builder/inspect/disk-parts.ts";
import { isKernel, kernelImage } from "../../../../rootfs-builder/inspect/kernel-image.ts";
import { isErofs, readErofs, SUPERBLOCK } from "../../../../rootfs-builder/inspect/read-erofs.ts";
import { isVerity, verityRoot, veritySuperblock } from "../../../../rootfs-builder/inspect/verity-tree.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

export const inspections: FuzzTarget = {
  name: "inspections",
  promise: "reading a damaged EROFS, disk, kernel or verity tree returns its content or fails with one line",
  seeds: () => [erofs(), disk(), kernel(), verity()],
  maxLength: 16_384,
  words: ["HdrS", "Linux version 6.1.0", "verity\0\0", "NVDIMM_PFN_INFO\0", "sha256"],
  run(input) {
    attempt(() => {
      if (!isErofs(input)) return;
      const { tree, size } = readErofs(input);
      promise(size >= 0, "the image has a size");
      for (const path of tree.keys())
        promise(!path.split("/").includes("..") && !path.includes("\0"), "a path stays below the root");
    });
    attempt(() => {
      if (!isDisk(input)) return;
      const { partition } = diskParts(input);
      if (partition !== undefined)
        promise(partition.offset + partition.size <= input.length, "a partition is inside the disk");
    });
    attempt(() => isKernel(input) && kernelImage(input));
    attempt(() => {
      if (!isVerity(input)) return;
      const superblock = veritySuperblock(input);
      verityRoot(superblock, input.subarray(Math.min(superblock.hashBlockSize, input.length)), input);
    });
  },
};

function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    refuses(error, BuildError);
  }
}

/** Builds an EROFS image with one file, whose data is inline. */
function erofs(): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.writeUInt32LE(0xe0f5e1e2, SUPERBLOCK);
  bytes.writeUInt8(12, SUPERBLOCK + 12);
  bytes.writeUInt16LE(64, SUPERBLOCK + 14);
  bytes.writeUInt32LE(2, SUPERBLOCK + 36);
  const inode = (at: number, mode: number, size: number) => {
    bytes.writeUInt16LE(2 << 1, at);
    bytes.writeUInt16LE(mode, at + 4);
    bytes.writeUInt16LE(1, at + 6);
    bytes.writeUInt32LE(size, at + 8);
  };
  inode(2048, 0o40755, 51);
  const names = [".", "..", "file"];
  let nameAt = 36;
  for (const [index, name] of names.entries()) {
    const at = 2048 + 32 + 12 * index;
    bytes.writeBigUInt64LE(name === "file" ? 68n : 64n, at);
    bytes.writeUInt16LE(nameAt, at + 8);
    bytes.writeUInt8(name === "file" ? 1 : 2, at + 10);
    bytes.write(name, 2048 + 32 + nameAt);
    nameAt += name.length;
  }
  bytes.writeUInt32LE(51, 2048 + 8);
  inode(2048 + 128, 0o100644, 5);
  bytes.write("hello", 2048 + 128 + 32);
  return bytes;
}

function disk(): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.writeUInt16LE(0xaa55, 510);
  bytes[450] = 0x83;
  bytes.writeUInt32LE(2, 454);
  bytes.writeUInt32LE(4, 458);
  bytes.write("NVDIMM_PFN_INFO\0", 4096);
  return bytes;
}

function kernel(): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write("HdrS", 0x202);
  bytes.writeUInt16LE(0x100, 0x20e);
  bytes.write("6.1.0-1-amd64 (x) #1", 0x300);
  return bytes;
}

function verity(): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.write("verity\0\0");
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(1, 12);
  bytes.write("sha256", 32);
  bytes.writeUInt32LE(512, 64);
  bytes.writeUInt32LE(512, 68);
  bytes.writeBigUInt64LE(2n, 72);
  bytes.writeUInt16LE(4, 80);
  return bytes;
}
