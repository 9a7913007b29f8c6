import { constants, mkdirSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ApplyReport, applyLayers } from "../../../../image/apply-layers.ts";
import { ImageError } from "../../../../image/image-error.ts";
import type { Image } from "../../../../image/read-image.ts";
import { reason } from "../../../../lib/reason.ts";
import { addFolder } from "./add-folder.ts";
import { BlockTree } from "./block-tree.ts";
import { BLOCK, DiskFile, FILE_SYSTEM_START } from "./disk-file.ts";
import { findFile } from "./find-file.ts";
import { writeErofs } from "./write-erofs.ts";

/** Content of a disk: layers of an image, or a directory that is the root file system. */
export type BlockSource = Pick<Image, "layers"> | { readonly folder: string };

export interface MakeOptions {
  /** Bytes that the disk's file system may have. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/** Names of the files that a made disk has in its directory. */
export const DISK = "root.erofs";
/** A directory with the files of the image that name its users, for the host to read. */
export const USERS = "users";
const USER_FILES = ["etc/passwd", "etc/group"];
/** Bytes of such a file that are kept; a longer one counts as missing, as for the host's reader. */
const MAX_USERS = 1 << 20;

/**
 * Makes a disk with a root file system in an existing directory, as `DISK`, and its `USERS`. Needs no privileges: owners,
 * modes, devices and attributes are only bytes of the disk. Throws ImageError and leaves a part behind.
 */
export async function makeBlockRoot(
  source: BlockSource,
  directory: string,
  { limit, signal }: MakeOptions,
): Promise<ApplyReport> {
  const { O_CREAT, O_EXCL, O_RDWR } = constants;
  const file = await open(join(directory, DISK), O_CREAT | O_EXCL | O_RDWR, 0o600);
  try {
    const disk = new DiskFile(file, limit);
    await disk.write(Buffer.alloc(BLOCK));
    const tree = new BlockTree((content) => store(disk, content));
    const report = await ("folder" in source
      ? addFolder(tree, source.folder, signal)
      : applyLayers(source.layers, tree, { signal }));
    await writeErofs(tree.root, disk);
    await writeUsers(tree, file, join(directory, USERS));
    return report;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ImageError) throw error;
    throw new ImageError(`make the disk of an image: ${reason(error)}`, { cause: error });
  } finally {
    await file.close();
  }
}

async function store(disk: DiskFile, content: AsyncIterable<Uint8Array>): Promise<{ block: number; size: number }> {
  const start = disk.position;
  for await (const chunk of content) await disk.write(chunk);
  const size = disk.position - start;
  await disk.endBlock();
  return { block: start / BLOCK, size };
}

async function writeUsers({ root }: BlockTree, file: FileHandle, directory: string): Promise<void> {
  for (const name of USER_FILES) {
    const found = findFile(root, name.split("/"));
    const target = join(directory, name);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    if (found === undefined || found.size > MAX_USERS) continue;
    const { buffer } = await file.read(
      Buffer.alloc(found.size),
      0,
      found.size,
      FILE_SYSTEM_START + found.block * BLOCK,
    );
    writeFileSync(target, buffer, { mode: 0o600 });
  }
}
