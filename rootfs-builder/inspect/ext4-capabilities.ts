import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { debugfs } from "./debugfs.ts";
import type { Ext4Inode } from "./ext4-structures.ts";

const CAPABILITIES = "capabilities";
const CAPABILITY = "security.capability";
/** Files that are asked for at a time: each could have as much as a block. */
const BATCH = 1000;
/** Of the superblock's features. */
const ATTRIBUTES_AS_INODES = 0x400;

/** File capabilities by number of inode; other attributes are not read. */
export async function ext4Capabilities(
  work: string,
  fileSystem: Buffer,
  files: readonly (readonly [number, Ext4Inode])[],
) {
  if ((fileSystem.readUInt32LE(1024 + 96) & ATTRIBUTES_AS_INODES) !== 0)
    throw new BuildError("ext4: it has attributes that are inodes of their own, which are not read here");
  const found = new Map<number, Buffer>();
  for (let first = 0; first < files.length; first += BATCH) {
    const directory = join(work, CAPABILITIES);
    await mkdir(directory);
    const numbers = files.slice(first, first + BATCH).map(([number]) => number);
    await debugfs(
      work,
      `ea_get -f ${CAPABILITIES}/# <#> ${CAPABILITY}`,
      numbers,
      "ea_get: Extended attribute key not found",
    );
    for (const number of numbers) {
      const value = await readFile(join(directory, String(number)));
      if (value.length > 0) found.set(number, value);
    }
    await rm(directory, { recursive: true });
  }
  return found;
}
