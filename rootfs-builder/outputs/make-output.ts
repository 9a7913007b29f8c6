import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDaxErofs, makeErofs } from "../image/erofs.ts";
import { writeDiskImage } from "../image/write-image.ts";
import type { KernelModule } from "../initramfs/modules.ts";
import { rootInitrd } from "../initramfs/root-initrd.ts";
import { stage } from "../tree/stage.ts";
import type { Tree } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { writeJson } from "../write-files.ts";
import { makeExt4 } from "./ext4.ts";
import { type FileSystem, type Output, outputFile, outputNamed } from "./output-names.ts";
import { makeSquashfs } from "./squashfs.ts";
import { makeVerityDisk, type Verity } from "./verity-disk.ts";

export interface MadeOutput {
  readonly output: string;
  /** Path in the folder. */
  readonly file: string;
  /** Size in bytes, including holes. */
  readonly size: number;
  /** Size of the file system alone, in bytes. */
  readonly fileSystemSize?: number;
  readonly verity?: Verity;
}

export interface OutputOptions {
  /** Modules of the kernel that an initramfs will run with; added to it. */
  readonly modules?: readonly KernelModule[];
}

/**
 * Packs a tree as the output of this name (one of `OUTPUTS`). Creates the file and `<file>.json`, which holds the
 * returned description, in `directory` by rename. Equal trees give equal bytes.
 */
export async function makeOutput(
  tree: Tree,
  name: string,
  directory: string,
  options: OutputOptions = {},
): Promise<MadeOutput> {
  const output = outputNamed(name);
  const file = outputFile(name);
  const made = await withTemporary(directory, async (work) => {
    const target = join(work, file);
    const facts = await pack(tree, output, work, target, options);
    const { size } = await stat(target);
    await rename(target, join(directory, file));
    return { output: name, file, size, ...facts };
  });
  await writeJson(join(directory, `${file}.json`), made);
  return made;
}

async function pack(
  tree: Tree,
  output: Output,
  work: string,
  target: string,
  { modules = [] }: OutputOptions,
): Promise<Pick<MadeOutput, "fileSystemSize" | "verity">> {
  if (output.kind === "initramfs") {
    await writeFile(target, await rootInitrd(tree, { compression: output.compression, modules }));
    return {};
  }
  const { fileSystem, layout } = output;
  const root = join(work, "root");
  await mkdir(root);
  const image = layout === "plain" ? target : join(work, "file-system");
  await makeFileSystem(fileSystem, tree, root, image);
  const fileSystemSize = (await stat(image)).size;
  if (layout === "plain") return { fileSystemSize };
  if (layout === "verity-disk") return { fileSystemSize, verity: await makeVerityDisk(image, target) };
  await writeDiskImage(image, target, { daxHeader: layout === "dax-disk" });
  return { fileSystemSize };
}

/**
 * Writes a file system as the current user. Times are fixed, so that equal trees give equal bytes. Owners are the
 * tree's.
 * @param directory empty staging directory for the tree
 */
async function makeFileSystem(fileSystem: FileSystem, tree: Tree, directory: string, image: string): Promise<void> {
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
