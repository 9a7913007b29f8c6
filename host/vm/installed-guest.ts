import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { type GuestFile, type GuestManifest, INITRAMFS, ROOT_IMAGE } from "../../lib/guest-manifest.ts";
import { cpioArchive } from "../../rootfs-builder/initramfs/cpio.ts";
import { bootModules, moduleList } from "../../rootfs-builder/initramfs/initramfs.ts";
import { resolveModules } from "../../rootfs-builder/initramfs/modules.ts";
import { withTemporary } from "../../rootfs-builder/with-temporary.ts";
import { writeAll } from "../../rootfs-builder/write-files.ts";
import { throwCacheError } from "./cache-error.ts";
import type { GuestFiles } from "./guest-files.ts";
import { MachineError } from "./machine-error.ts";
import { type CachedKernel, cacheDirectory } from "./paths.ts";

const CHUNK = 1 << 20;

/**
 * Unpacks the root image of the guest package in `directory` to the cache, and adds the kernel's modules to its
 * initramfs, unless an earlier call did. Throws MachineError if a file isn't the one that the package's manifest names.
 */
export async function unpackGuest(
  directory: string,
  kernel: CachedKernel,
): Promise<Pick<GuestFiles, "initrd" | "image">> {
  const manifest: GuestManifest = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8"));
  const [packed, initramfs] = [fileOf(manifest, ROOT_IMAGE), fileOf(manifest, INITRAMFS)];
  const parts = [packed.sha256, initramfs.sha256, kernel.version];
  const id = createHash("sha256").update(parts.join(" ")).digest("hex").slice(0, 16);
  const unpacked = join(cacheDirectory(), "guest");
  const target = join(unpacked, id);
  const files = { initrd: join(target, "initrd.cpio"), image: join(target, "guest.img") };
  if (existsSync(target)) return files;
  await withTemporary(unpacked, async (work) => {
    await unpack(join(directory, ROOT_IMAGE), packed, join(work, "guest.img"));
    const base = await readFile(join(directory, INITRAMFS));
    expectDigest(join(directory, INITRAMFS), createHash("sha256").update(base).digest("hex"), initramfs.sha256);
    await writeFile(join(work, "initrd.cpio"), Buffer.concat([base, await moduleArchive(kernel)]));
    await rename(work, target).catch((error: NodeJS.ErrnoException) => {
      // Another process unpacked the same files meanwhile.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  }).catch((error) => throwCacheError(error, unpacked));
  return files;
}

/**
 * Returns the kernel's modules as a further archive for its initramfs: the kernel unpacks one after the other
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Empty for a kernel without modules, which has all
 * drivers built in.
 */
async function moduleArchive({ modules }: CachedKernel): Promise<Buffer> {
  if (!existsSync(modules)) return Buffer.alloc(0);
  return cpioArchive(moduleList(await resolveModules(modules, bootModules({}), { signed: false }), "lib/modules"));
}

/** Decompresses a root image. Blocks of zeros become holes. */
async function unpack(source: string, { unpacked }: GuestFile, target: string): Promise<void> {
  const hash = createHash("sha256");
  const zeros = Buffer.alloc(CHUNK);
  const file = await open(target, "wx", 0o644);
  try {
    let size = 0;
    await pipeline(createReadStream(source), createBrotliDecompress({ chunkSize: CHUNK }), async (chunks) => {
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        hash.update(chunk);
        if (!chunk.equals(zeros.subarray(0, chunk.length))) await writeAll(file, chunk, size);
        size += chunk.length;
      }
    });
    await file.truncate(size);
  } catch (error) {
    throw new MachineError(`unpack ${source}: ${(error as Error).message}`, { cause: error });
  } finally {
    await file.close();
  }
  expectDigest(source, hash.digest("hex"), unpacked?.sha256);
}

function expectDigest(path: string, actual: string, expected: string | undefined): void {
  if (actual !== expected) throw new MachineError(`${path}: it is damaged: not the file of its manifest; reinstall it`);
}

function fileOf({ files }: GuestManifest, name: string): GuestFile {
  const found = files.find((file) => file.name === name);
  if (found === undefined) throw new MachineError(`guest package: its manifest has no ${name}; reinstall it`);
  return found;
}
