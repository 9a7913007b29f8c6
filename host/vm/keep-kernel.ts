import { cp, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kernelImage } from "../../rootfs-builder/inspect/kernel-image.ts";
import { withTemporary } from "../../rootfs-builder/with-temporary.ts";
import { throwCacheError } from "./cache-error.ts";
import { createCache } from "./cache-tag.ts";
import { MachineError } from "./machine-error.ts";
import { cacheDirectory, kernelChoiceFile } from "./paths.ts";

const GIVE = "give a bzImage or an arm64 Image";
const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: `no such file; ${GIVE}`,
  EISDIR: `it is a folder; ${GIVE}`,
  EACCES: "permission denied; make it readable with sudo chmod a+r, or give a copy",
};

/**
 * Copies a kernel, and its modules if given, to the cache, where guests then boot it instead of Debian's. Returns its
 * version. Throws MachineError.
 * @param modules its lib/modules/<version>
 */
export async function keepKernel(file: string, modules?: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new MachineError(`kernel ${file}: ${UNREADABLE[error.code ?? ""] ?? `${error.code}; ${GIVE}`}`);
  });
  const { release, architecture, check } = kernelImage(bytes);
  if (!check.ok || release === undefined) {
    throw new MachineError(`kernel ${file}: it is not a bootable kernel; ${GIVE}`);
  }
  if (architecture !== process.arch) {
    throw new MachineError(
      `kernel ${file}: it is for ${architecture ?? "another machine"}; give one for this machine, ${process.arch}`,
    );
  }
  if (modules !== undefined && !(await stat(join(modules, "kernel")).catch(() => undefined))?.isDirectory()) {
    throw new MachineError(`modules ${modules}: it has no folder kernel; give the kernel's lib/modules/${release}`);
  }
  createCache();
  const directory = join(cacheDirectory(), "kernel");
  await withTemporary(directory, async (work) => {
    await mkdir(join(work, "boot"));
    await writeFile(join(work, "boot", `vmlinuz-${release}`), bytes);
    if (modules !== undefined) await cp(modules, join(work, "lib/modules", release), { recursive: true });
    await rm(join(directory, release), { recursive: true, force: true });
    await rename(work, join(directory, release));
    await writeFile(kernelChoiceFile(), `${release}\n`);
  }).catch((error) => throwCacheError(error, directory));
  return release;
}
