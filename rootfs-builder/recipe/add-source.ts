import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { applyLayers } from "../../image/apply-layers.ts";
import { decompress } from "../../image/decompress.ts";
import { ImageError } from "../../image/image-error.ts";
import { readImage } from "../../image/read-image.ts";
import { reason } from "../../lib/reason.ts";
import type { DebianPackage } from "../debian/debian-package.ts";
import { packageFiles } from "../debian/debian-package.ts";
import { fileAttributes, folderAttributes } from "../tree/folder-attributes.ts";
import { folderTree } from "../tree/folder-tree.ts";
import { mergeTars } from "../tree/merge.ts";
import { owned, type Tree } from "../tree/tree.ts";
import { TreeOverlay } from "../tree/tree-overlay.ts";
import type { FileSource, Source } from "./recipe.ts";
import { sourceError } from "./source-error.ts";

/**
 * Merges one source into a tree. Throws a one-line BuildError, and then leaves the tree unusable.
 * @param closure packages of a package source, with all their dependencies
 */
export async function addSource(tree: Tree, source: Source, closure: readonly DebianPackage[]): Promise<void> {
  const below = source.to === "" ? [] : source.to.split("/");
  try {
    switch (source.kind) {
      case "image":
        return new TreeOverlay(tree, { below }).putTree(await imageTree(source.path, source.imageName));
      case "tar":
        return await addTar(new TreeOverlay(tree, { below }), source.path);
      case "packages":
        return new TreeOverlay(tree, { below }).putTree(await mergeTars(closure.map(packageFiles)));
      case "folder":
        return new TreeOverlay(tree, { below }).putTree(
          await folderTree(source.path, {
            modeOf: folderMode,
            owner: source.owner,
            attributes: await folderAttributes(source.path),
          }),
        );
      case "file":
        return new TreeOverlay(tree).putTree(new Map([[source.to, await fileEntry(source)]]));
    }
  } catch (error) {
    throw sourceError(source, error);
  }
}

/**
 * Returns the layers of an OCI image applied to an empty tree, so that their whiteouts hide nothing of other sources.
 */
async function imageTree(path: string, name?: string): Promise<Tree> {
  await stat(path);
  const tree: Tree = new Map();
  await using image = await readImage(path, { name });
  await applyLayers(image.layers, new TreeOverlay(tree, { merge: "layers" }));
  return tree;
}

/** Adds a tar, whose whiteouts hide entries of earlier sources. */
async function addTar(overlay: TreeOverlay, path: string): Promise<void> {
  await statFile(path);
  const open = async function* () {
    yield* await decompress(createReadStream(path));
  };
  try {
    await applyLayers([{ diffId: "", name: "", open }], overlay, { refuseAbsolute: true, endMark: true });
  } catch (error) {
    throw new ImageError(reason(error).replace(/^unpack : /, ""), { cause: error });
  }
}

/** Returns 0755 or 0644, depending on the owner's execute bit, so that the umask has no effect. */
function folderMode(mode: number, type: "directory" | "file"): number {
  return type === "directory" ? 0o755 : plainMode(mode);
}

async function fileEntry({ path, mode, owner }: FileSource) {
  const found = await statFile(path);
  return {
    type: "file",
    mode: mode ?? plainMode(found.mode),
    content: await readFile(path),
    ...owned({ ...owner, xattrs: await fileAttributes(path) }),
  } as const;
}

async function statFile(path: string) {
  const found = await stat(path);
  if (!found.isFile()) throw new ImageError("not a file: for a folder, use the key folder");
  return found;
}

export function plainMode(mode: number): number {
  return (mode & 0o100) === 0 ? 0o644 : 0o755;
}
