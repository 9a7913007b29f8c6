import { makeDaxErofs, makeErofs } from "../image/erofs.ts";
import { stage } from "../tree/stage.ts";
import type { Tree } from "../tree/tree.ts";
import { makeExt4 } from "./ext4.ts";
import type { FileSystem } from "./output-names.ts";
import { makeSquashfs } from "./squashfs.ts";

/**
 * Writes a file system as the current user. Times are fixed, so that equal trees give equal bytes. Owners are the
 * tree's.
 * @param directory empty staging directory for the tree
 */
export async function makeFileSystem(
  fileSystem: FileSystem,
  tree: Tree,
  directory: string,
  image: string,
): Promise<void> {
  if (fileSystem !== "erofs") await stage(tree, directory);
  switch (fileSystem) {
    case "erofs":
      return makeDaxErofs(tree, directory, image);
    case "erofs-lz4hc":
      return makeErofs(directory, image, { compressed: true, owners: tree });
    case "ext4":
      return makeExt4(tree, directory, image);
    case "squashfs":
      return makeSquashfs(tree, directory, image);
  }
}
