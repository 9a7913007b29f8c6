import { randomUUID } from "node:crypto";
import { readFile, rm, stat, truncate } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { digestOf } from "../digest.ts";
import { mbr } from "../image/mbr.ts";
import { writeParts } from "../image/write-image.ts";
import { run } from "../run.ts";

const MIB = 1024 * 1024;
const SECTOR = 512;
const BLOCK = 4096;

/** Parameters that a host needs for the disk, in the terms of Kata's `kernel_verity_params`. Sizes are in bytes. */
export interface Verity {
  readonly rootHash: string;
  readonly salt: string;
  readonly dataBlocks: number;
  readonly dataBlockSize: number;
  readonly hashBlockSize: number;
}

/**
 * Writes a raw disk with two partitions: the file system, and its dm-verity hashes without a superblock. The salt is
 * the file system's digest, so that equal file systems give equal disks.
 */
export async function makeVerityDisk(image: string, target: string): Promise<Verity> {
  const dataBlocks = Math.ceil((await stat(image)).size / BLOCK);
  await truncate(image, dataBlocks * BLOCK);
  const content = await readFile(image);
  const salt = digestOf(content);
  const tree = `${image}.${randomUUID()}`;
  const sizes = ["--data-block-size", String(BLOCK), "--hash-block-size", String(BLOCK)];
  const options = [...sizes, "--hash", "sha256", "--format", "1", "--salt", salt];
  const said = (await run("veritysetup", ["format", "--no-superblock", ...options, image, tree])).toString();
  const rootHash = /^Root hash:\s+([0-9a-f]{64})$/m.exec(said)?.[1];
  if (rootHash === undefined) throw new BuildError(`veritysetup format ${image}: no root hash in its output`);
  const hashes = await readFile(tree);
  await rm(tree);

  const data = { start: MIB, size: content.length };
  const hash = { start: roundUp(data.start + data.size), size: hashes.length };
  await writeParts(target, roundUp(hash.start + hash.size), [
    { offset: 0, bytes: mbr([data, hash]) },
    { offset: data.start, bytes: content },
    { offset: hash.start, bytes: hashes },
  ]);
  return { rootHash, salt, dataBlocks, dataBlockSize: BLOCK, hashBlockSize: BLOCK };
}

/** Returns the kernel parameter that maps the two partitions as /dev/dm-0. */
export function mappingParameter({ rootHash, salt, dataBlocks, dataBlockSize, hashBlockSize }: Verity): string {
  const sectors = (dataBlocks * dataBlockSize) / SECTOR;
  const row = `verity 1 /dev/vda1 /dev/vda2 ${dataBlockSize} ${hashBlockSize} ${dataBlocks} 0 sha256 ${rootHash} ${salt}`;
  return `dm-mod.create="dm-verity,,,ro,0 ${sectors} ${row}"`;
}

function roundUp(size: number): number {
  return Math.ceil(size / MIB) * MIB;
}
