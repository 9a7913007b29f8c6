import { makeErofs } from "../image/erofs.ts";
import type { Tree } from "../tree/tree.ts";
import { makeExt4 } from "./ext4.ts";
import type { FileSystem } from "./output-names.ts";
import { makeSquashfs } from "./squashfs.ts";

/**
 * Makes a file system as whoever runs this; times are fixed, so that equal trees give equal bytes. Owners are the tree's.
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
      return makeErofs(directory, image, { owners: tree });
    case "erofs-lz4hc":
      return makeErofs(directory, image, { compressed: true, owners: tree });
    case "ext4":
      return makeExt4(tree, directory, image);
    case "squashfs":
      return makeSquashfs(tree, directory, image);
  }
}
