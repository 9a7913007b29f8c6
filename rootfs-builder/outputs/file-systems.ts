import { makeErofs } from "../image/erofs.ts";
import type { Tree } from "../tree/tree.ts";
import { makeExt4 } from "./ext4.ts";
import type { FileSystem } from "./output-names.ts";
import { makeSquashfs } from "./squashfs.ts";

/**
 * Makes a file system as whoever runs this; times are fixed, so that equal trees give equal bytes. Owners are the tree's, in
 * EROFS all root's, as mkfs.erofs takes them of the folder.
 * @param directory the tree, staged
 */
export async function makeFileSystem(
  fileSystem: FileSystem,
  tree: Tree,
  directory: string,
  image: string,
): Promise<void> {
  switch (fileSystem) {
    case "erofs":
      return makeErofs(directory, image);
    case "erofs-lz4hc":
      return makeErofs(directory, image, { compressed: true });
    case "ext4":
      return makeExt4(tree, directory, image);
    case "squashfs":
      return makeSquashfs(tree, directory, image);
  }
}
