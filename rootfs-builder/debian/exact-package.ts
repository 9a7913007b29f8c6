import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, reason } from "../build-error.ts";
import { cacheDirectory } from "../cache-directory.ts";
import { hashFile } from "../digest.ts";
import { run } from "../run.ts";
import type { KnownPackage } from "./closure.ts";
import type { DebianPackage } from "./debian-package.ts";

/**
 * The .deb with this very content: from the cache, else by `apt-get download`. What a recipe locks lies in packages/<sha256> of
 * the cache, so that it does not decide the version of what is not locked.
 */
export async function exactPackage({ name, version, sha256 }: KnownPackage): Promise<DebianPackage> {
  const own = cacheDirectory("packages", sha256);
  for (const directory of [own, cacheDirectory("debs")]) {
    const prefix = `${name}_${inFileName(version)}_`;
    for (const file of (await namesIn(directory)).filter((one) => one.startsWith(prefix))) {
      const path = join(directory, file);
      if ((await hashFile(path)) === sha256) return { name, version: inFileName(version), file: path };
    }
  }
  return download({ name, version, sha256 }, own);
}

async function download({ name, version, sha256 }: KnownPackage, directory: string): Promise<DebianPackage> {
  await mkdir(cacheDirectory("packages"), { recursive: true });
  const temporary = await mkdtemp(cacheDirectory("packages", ".download-"));
  try {
    await run("apt-get", ["download", "-q", `${name}=${version}`], { cwd: temporary }).catch((error: unknown) => {
      throw new BuildError(`package ${name} ${version}: not in the cache, nor to be had: ${reason(error)}`);
    });
    const [file = ""] = await readdir(temporary);
    const found = await hashFile(join(temporary, file));
    if (found !== sha256) {
      throw new BuildError(`package ${name} ${version}: its sha256 is ${found}, not ${sha256} as it should be`);
    }
    await mkdir(directory, { recursive: true });
    await rename(join(temporary, file), join(directory, file));
    return { name, version: inFileName(version), file: join(directory, file) };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A version as apt writes it into the name of a file, and back. */
function inFileName(version: string): string {
  return version.replaceAll(":", "%3a");
}

export function fromFileName(version: string): string {
  return version.replaceAll("%3a", ":");
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory).catch(() => [])).filter((name) => name.endsWith(".deb")).sort();
}
