import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, hasCode } from "../build-error.ts";
import { cacheDirectory } from "../cache-directory.ts";
import { run } from "../run.ts";
import { withTemporary } from "../with-temporary.ts";
import { debianArchitecture } from "./architecture.ts";
import { debianPackage } from "./debian-package.ts";

export interface Kernel {
  /** `uname -r` of the kernel. */
  readonly release: string;
  readonly image: string;
  /** Directory that contains kernel/. */
  readonly modules: string;
}

/**
 * Returns the guest's kernel: Debian's cloud kernel, unpacked but not installed, in kernel/<release> of the cache.
 * Downloads one if the cache has none; uses the newest unless `release` names one.
 */
export async function guestKernel(release?: string): Promise<Kernel> {
  const directory = cacheDirectory("kernel");
  await mkdir(directory, { recursive: true });
  const chosen = release ?? (await newestRelease(directory)) ?? (await unpackCloudKernel(directory));
  if (/^[\w.+~-]+-(amd64|arm64)$/.test(chosen) && (await kernelIn(join(directory, chosen))) === undefined) {
    await unpackKernel(directory, `linux-image-${chosen}`);
  }
  const kernel = await kernelIn(join(directory, chosen));
  if (kernel === undefined) throw new BuildError(`kernel ${chosen}: no boot/vmlinuz-* in ${join(directory, chosen)}`);
  return kernel;
}

async function newestRelease(directory: string): Promise<string | undefined> {
  const names = (await readdir(directory)).filter((name) => !name.startsWith("."));
  names.sort(new Intl.Collator("en", { numeric: true }).compare);
  for (const name of names.reverse()) if ((await kernelIn(join(directory, name))) !== undefined) return name;
  return undefined;
}

async function kernelIn(root: string): Promise<Kernel | undefined> {
  const names = await readdir(join(root, "boot")).catch((error: unknown) => {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return [];
    throw error;
  });
  const image = names.find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) return undefined;
  const release = image.slice("vmlinuz-".length);
  return { release, image: join(root, "boot", image), modules: join(root, "lib", "modules", release) };
}

async function unpackCloudKernel(directory: string): Promise<string> {
  const meta = `linux-image-cloud-${debianArchitecture()}`;
  const depends = (await run("apt-cache", ["depends", meta])).toString();
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new BuildError(`apt-cache depends ${meta}: names no kernel: run apt-get update`);
  return unpackKernel(directory, name);
}

async function unpackKernel(directory: string, name: string): Promise<string> {
  const { file } = await debianPackage(name);
  const release = name.slice("linux-image-".length);
  await withTemporary(directory, async (temporary) => {
    await run("dpkg-deb", ["-x", file, join(temporary, release)]);
    await rename(join(temporary, release), join(directory, release));
  });
  return release;
}
