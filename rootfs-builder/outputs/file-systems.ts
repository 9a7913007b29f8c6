import { makeErofs } from "../image/erofs.ts";
import { run } from "../run.ts";
import { makeExt4 } from "./ext4.ts";
import type { FileSystem } from "./output-names.ts";

/**
 * Makes a file system of a folder as whoever runs this: all files are root's, times are fixed, so that equal folders give
 * equal bytes.
 */
export async function makeFileSystem(fileSystem: FileSystem, directory: string, image: string): Promise<void> {
  switch (fileSystem) {
    case "erofs":
      return makeErofs(directory, image);
    case "erofs-lz4hc":
      return makeErofs(directory, image, { compressed: true });
    case "ext4":
      return makeExt4(directory, image);
    case "squashfs":
      return makeSquashfs(directory, image);
  }
}

/** By zstd in blocks of 128 KiB; level 15 is smaller by 8 % and takes thirty times as long. */
async function makeSquashfs(directory: string, image: string): Promise<void> {
  const fixed = ["-all-root", "-all-time", "0", "-mkfs-time", "0", "-root-mode", "755", "-no-xattrs", "-no-exports"];
  const zstd = ["-comp", "zstd", "-Xcompression-level", "9"];
  await run("mksquashfs", [directory, image, "-noappend", "-quiet", "-no-progress", ...fixed, ...zstd]);
}
