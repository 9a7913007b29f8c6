import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { guestPackage } from "../../lib/guest-package.ts";
import { namesIn } from "../../lib/names-in.ts";
import { isCheckout, packageRoot } from "../../lib/package-root.ts";

/** Root directory of the repository, or of the installed package. */
export const repositoryRoot = packageRoot();

/** Files that the image build writes, and that guests of a checkout boot from by default. */
export const imagePaths = {
  kernel: join(repositoryRoot, "build/image/vmlinuz"),
  initrd: join(repositoryRoot, "build/image/initrd.cpio"),
  image: join(repositoryRoot, "build/image/guest.img"),
} as const;

/** Returns the file that caches the result of the KVM probe. */
export function acceleratorFile(): string {
  return join(isCheckout() ? join(repositoryRoot, "build") : cacheDirectory(), "accelerator.json");
}

/** Returns the program that runs guestctl. */
export function guestctlProgram(): string {
  return join(repositoryRoot, isCheckout() ? "host/cli/guestctl.sh" : "bin/guestctl");
}

/** Returns the module that is guestctl for Node. */
export function guestctlModule(): string {
  return join(repositoryRoot, isCheckout() ? "host/cli/launch.cjs" : "bin/guestctl.js");
}

/** Returns the script that installs programs and the kernel; its head describes its arguments. */
export function setupScript(): string {
  return join(repositoryRoot, "host/setup/setup.sh");
}

/** Returns the program that serves the channel to a guest. */
export function channelProgram(): string {
  return join(repositoryRoot, isCheckout() ? "host/vm/channel/channel-program.ts" : "dist/channel-program.js");
}

/** Returns the program that runs QEMU and the programs of its devices. */
export function monitorProgram(): string {
  return join(isCheckout() ? join(repositoryRoot, "build/native") : (guestPackage() ?? ""), "monitor");
}

/** Returns the small image with a shell that `guestctl debug` uses by default; the demo or the release builds it. */
export function busyboxImage(): string {
  return join(isCheckout() ? join(repositoryRoot, "build/demo") : (guestPackage() ?? ""), "busybox.tar");
}

/** Returns the folder of the host's programs that the guest package carries, and a checkout doesn't. */
export function carriedPrograms(): string | undefined {
  return isCheckout() ? undefined : guestPackage();
}

/** Returns the directory of downloads and tools that all work trees share; filled by host/setup/setup.sh. */
export function cacheDirectory(): string {
  return process.env["GUESTD_CACHE"] ?? defaultCache();
}

/** Returns the directory that it is without GUESTD_CACHE. */
export function defaultCache(): string {
  return join(homedir(), ".cache/guestd");
}

/** Returns the path of a folder in this user's cache. */
export function userCache(name: string): string {
  const { XDG_CACHE_HOME: cache = "" } = process.env;
  return join(cache === "" ? cacheDirectory() : join(cache, "guestd"), name);
}

/** Returns the path of a folder of this user's data, which is kept when caches are removed. */
export function userData(name: string): string {
  const { XDG_DATA_HOME: data = "" } = process.env;
  return join(data === "" ? join(homedir(), ".local/share") : data, "guestd", name);
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

/** Returns the kernel that `guestctl setup --kernel` chose, otherwise the newest one. */
export function chosenKernel(): CachedKernel | undefined {
  const kernels = cachedKernels();
  return kernels.find(({ version }) => version === readChoice()) ?? kernels[0];
}

/** File with the version of the kernel that `guestctl setup --kernel` chose. */
export function kernelChoiceFile(): string {
  return join(cacheDirectory(), "kernel", ".chosen");
}

function readChoice(): string | undefined {
  try {
    return readFileSync(kernelChoiceFile(), "utf8").trim();
  } catch {
    return undefined;
  }
}
