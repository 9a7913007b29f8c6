import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));

/** What the image build leaves, and a guest starts from when nothing else is named. */
export const imagePaths = {
  kernel: join(repositoryRoot, "build/image/vmlinuz"),
  initrd: join(repositoryRoot, "build/image/initrd.cpio"),
  image: join(repositoryRoot, "build/image/guest.img"),
} as const;

/** Where the answer of the KVM probe is kept. */
export const acceleratorFile = join(repositoryRoot, "build/accelerator.json");

/** Downloads and tools that all work trees share; laid out by host/setup/setup.sh. */
export function cacheDirectory(): string {
  return process.env["GUESTD_CACHE"] ?? join(homedir(), ".cache/guestd");
}

/** An unpacked kernel of the cache: `kernel` is the bootable file, `modules` the directory lib/modules/<version>. */
export interface CachedKernel {
  readonly version: string;
  readonly kernel: string;
  readonly modules: string;
}

/** The kernels that setup unpacked, the last by name first. */
export function cachedKernels(): readonly CachedKernel[] {
  const directory = join(cacheDirectory(), "kernel");
  return namesIn(directory)
    .filter((version) => namesIn(join(directory, version, "boot")).includes(`vmlinuz-${version}`))
    .sort()
    .reverse()
    .map((version) => ({
      version,
      kernel: join(directory, version, "boot", `vmlinuz-${version}`),
      modules: join(directory, version, "lib/modules", version),
    }));
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
