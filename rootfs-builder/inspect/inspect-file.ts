import { readFile, stat } from "node:fs/promises";
import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { sha256Of } from "../digest.ts";
import type { Tree } from "../tree/tree.ts";
import { attempt, type Check, check, MAX_BYTES } from "./check.ts";
import { containerImage, isTar } from "./container-image.ts";
import { diskParts, isDisk } from "./disk-parts.ts";
import { isKernel, kernelImage } from "./kernel-image.ts";
import { moduleChecks } from "./module-checks.ts";
import { isCpio, readCpio, unpacked } from "./read-cpio.ts";
import { isErofs, readErofs } from "./read-erofs.ts";
import { ext4Size, isExt4, readExt4 } from "./read-ext4.ts";
import { rootChecks } from "./root-checks.ts";
import { unpackedErofs } from "./unpack-erofs.ts";
import { unpackedSquashfs } from "./unpack-squashfs.ts";
import { verityBeside, verityDiskChecks } from "./verity-disk.ts";
import { isVerity, veritySuperblock } from "./verity-tree.ts";

export interface Inspected {
  readonly file: string;
  readonly kind: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly checks: readonly Check[];
  /** Files in it; undefined for an image without files. */
  readonly tree?: Tree;
  /** `uname -r` of the kernel or of the modules. */
  readonly release?: string | undefined;
}

type Content = Omit<Inspected, "file" | "bytes" | "sha256">;

/**
 * Recognises a file by its own bytes and checks it.
 * @param rootHash for a disk with verity hashes, instead of the hash in the file beside it
 */
export async function inspectFile(file: string, rootHash?: string): Promise<Inspected> {
  const { size } = await stat(file);
  if (size > MAX_BYTES) throw new BuildError(`${file}: ${size} bytes, more than the 2 GiB that inspect reads`);
  const bytes = await readFile(file);
  const sha256 = sha256Of(bytes);
  try {
    return { file, bytes: size, sha256, ...(await contentOf(bytes, file, rootHash)) };
  } catch (error) {
    const detail = reason(error);
    return { file, bytes: size, sha256, kind: "?", checks: [{ name: "content", ok: false, detail }] };
  }
}

async function contentOf(bytes: Buffer, file: string, rootHash?: string): Promise<Content> {
  if (isKernel(bytes)) {
    const { release, check: one } = kernelImage(bytes);
    return { kind: "kernel", release, checks: [one] };
  }
  if (isVerity(bytes)) {
    const checks = await attempt("verity superblock", async () => {
      const { dataBlocks, dataBlockSize, algorithm } = veritySuperblock(bytes);
      const found = `${algorithm} of ${dataBlocks} blocks of ${dataBlockSize}`;
      return [{ name: "verity superblock", ok: true, detail: found }];
    });
    return { kind: "verity hashes", checks };
  }
  const { bytes: inner, how } = unpacked(bytes);
  if (isCpio(inner)) return initramfs(inner, how);
  if (isTar(inner)) return containerImage(file, how);
  const fileSystem = await fileSystemOf(bytes, false);
  if (fileSystem !== undefined) return fileSystem;
  if (isDisk(bytes)) return disk(bytes, await verityBeside(file, rootHash));
  throw new BuildError(
    "unknown format: not a kernel, initramfs, disk, EROFS, ext4, squashfs, verity hashes or a container image in a tar",
  );
}

async function disk(bytes: Buffer, described: Awaited<ReturnType<typeof verityBeside>>): Promise<Content> {
  const { daxHeader, partition, hashes, checks } = diskParts(bytes);
  const kind = `disk${daxHeader ? " with DAX header" : ""}${hashes === undefined ? "" : " with verity hashes"}`;
  if (partition === undefined) return { kind, checks };
  const [data, tree] = [partition, hashes].map((one) =>
    bytes.subarray(one?.offset, (one?.offset ?? 0) + (one?.size ?? 0)),
  );
  const inner = data === undefined ? undefined : await fileSystemOf(data, daxHeader);
  const none = { kind: "nothing known", checks: [check("file system", false, "none", "EROFS, ext4 or squashfs")] };
  const found = inner ?? none;
  const verity = hashes === undefined ? [] : await attempt("verity", async () => verityOf(data, tree, described));
  return { ...found, kind: `${kind}, ${found.kind}`, checks: [...checks, ...verity, ...found.checks] };
}

function verityOf(
  data?: Buffer,
  tree?: Buffer,
  described?: Awaited<ReturnType<typeof verityBeside>>,
): readonly Check[] {
  if (described !== undefined && data !== undefined && tree !== undefined)
    return verityDiskChecks(data, tree, described);
  return [check("verity", false, "unknown salt", "the builder's .json file beside the disk")];
}

async function fileSystemOf(bytes: Buffer, dax: boolean): Promise<Content | undefined> {
  if (isErofs(bytes)) return erofs(bytes, dax);
  if (isExt4(bytes)) return fileSystem("ext4", bytes, ext4Size(bytes), readExt4);
  if (bytes.length > 96 && bytes.toString("latin1", 0, 4) === "hsqs")
    return fileSystem("squashfs", bytes, Number(bytes.readBigUInt64LE(40)), unpackedSquashfs);
  return undefined;
}

async function erofs(bytes: Buffer, dax: boolean): Promise<Content> {
  const found = readErofs(bytes);
  const { tree, layouts, blockSize, size } = found;
  const files = [...tree].filter(([, { type }]) => type === "file");
  const packed = files.filter(([path]) => layouts.get(path) !== "plain");
  const compressed = packed.filter(([path]) => layouts.get(path) !== "inline").length;
  const checks = [check("EROFS: size", size <= bytes.length, `${size} bytes`, `${bytes.length} at most`)];
  if (dax) {
    const told = packed.length === 0 ? "all files in whole blocks" : `${packed.length} files compressed or inline`;
    checks.push(check("EROFS: for DAX", packed.length === 0, told, "noinline_data, uncompressed"));
    checks.push(check("EROFS: blocks", blockSize === 4096, String(blockSize), "4096, a page"));
  }
  const whole = compressed === 0 ? tree : await unpackedErofs(bytes.subarray(0, size), found);
  const kind = compressed === 0 ? "EROFS" : `EROFS, ${compressed} files compressed`;
  return { kind, tree: whole, checks: [...checks, ...rootChecks(whole, false)] };
}

async function fileSystem(
  type: "ext4" | "squashfs",
  bytes: Buffer,
  size: number,
  read: (bytes: Buffer) => Promise<Tree>,
): Promise<Content> {
  const checks = [check(`${type}: size`, size > 0 && size <= bytes.length, `${size} bytes`, `${bytes.length} at most`)];
  const tree = await read(bytes.subarray(0, size));
  return { kind: type, tree, checks: [...checks, ...rootChecks(tree, false)] };
}

function initramfs(bytes: Buffer, how: string): Content {
  const tree = readCpio(bytes);
  const { checks, release } = moduleChecks(tree);
  const kind = `initramfs (${how === "none" ? "not compressed" : how})`;
  return { kind, tree, release, checks: [...rootChecks(tree, true), ...checks] };
}
