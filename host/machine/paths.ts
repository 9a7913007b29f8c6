import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { namesIn } from "../../lib/names-in.ts";

/** Root directory of the repository. */
export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));

/** Files that the image build writes, and that guests boot from by default. */
export const imagePaths = {
  kernel: join(repositoryRoot, "build/image/vmlinuz"),
  initrd: join(repositoryRoot, "build/image/initrd.cpio"),
  image: join(repositoryRoot, "build/image/guest.img"),
} as const;

/** File that caches the result of the KVM probe. */
export const acceleratorFile = join(repositoryRoot, "build/accelerator.json");

/** Returns the directory of downloads and tools that all work trees share; filled by host/setup/setup.sh. */
export function cacheDirectory(): string {
  return process.env["GUESTD_CACHE"] ?? join(homedir(), ".cache/guestd");
}

/** An unpacked kernel in the cache: `kernel` is the bootable file, `modules` the directory lib/modules/<version>. */
export interface CachedKernel {
  readonly version: string;
  readonly kernel: string;
  readonly modules: string;
}

/** Returns the kernels that set-up unpacked, in descending order of name. */
export function cachedKernels(): readonly CachedKernel[] {
  const directory = join(cacheDirectory(), "kernel");
  return namesIn(directory)
    .filter((version) => namesIn(join(directory, version, "boot")).includes(`vmlinuz-${version}`))
    .reverse()
    .map((version) => ({
      version,
      kernel: join(directory, version, "boot", `vmlinuz-${version}`),
      modules: join(directory, version, "lib/modules", version),
    }));
}
