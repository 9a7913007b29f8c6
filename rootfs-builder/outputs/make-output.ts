import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeDiskImage } from "../image/write-image.ts";
import type { KernelModule } from "../initramfs/modules.ts";
import { rootInitrd } from "../initramfs/root-initrd.ts";
import type { Tree } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { writeJson } from "../write-json.ts";
import { makeFileSystem } from "./file-systems.ts";
import { type Output, outputFile, outputNamed } from "./output-names.ts";
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
