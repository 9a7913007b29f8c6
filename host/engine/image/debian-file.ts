import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ImageError } from "../../../image/image-error.ts";
import { tarEntries } from "../../../lib/archive/tar-entries.ts";
import { reason } from "../../../lib/reason.ts";

/**
 * Returns one file of a Debian package. Downloads the package with apt, which needs no root, and caches it. Throws
 * ImageError.
 */
export async function debianFile(name: string, path: string): Promise<Buffer> {
  const deb = await debianPackage(name);
  const child = spawn("dpkg-deb", ["--fsys-tarfile", deb], { stdio: ["ignore", "pipe", "inherit"] });
  const failed = new Promise<never>((_, reject) => child.on("error", reject));
  try {
    const found = await Promise.race([failed, findFile(child.stdout, path)]);
    if (found === undefined) throw new Error(`the package has no ${path}`);
    return found;
  } catch (error) {
    throw new ImageError(`read ${deb}: ${reason(error)}`, { cause: error });
  } finally {
    child.kill();
  }
}

async function findFile(tar: AsyncIterable<Uint8Array>, path: string): Promise<Buffer | undefined> {
  for await (const { header, content } of tarEntries(tar)) {
    if (header.type !== "file" || header.name.replace(/^\.?\//, "") !== path) continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
  return undefined;
}

async function debianPackage(name: string): Promise<string> {
  const cache = process.env["GUESTD_CACHE"] ?? join(homedir(), ".cache", "guestd");
  const directory = join(cache, "debs");
  await mkdir(directory, { recursive: true });
  const kept = (await readdir(directory)).filter((file) => file.startsWith(`${name}_`) && file.endsWith(".deb"));
  const newest = kept.sort(new Intl.Collator("en", { numeric: true }).compare).at(-1);
  return join(directory, newest ?? (await download(directory, name)));
}

/** Downloads to a separate folder first, since several processes may do this at once. */
async function download(directory: string, name: string): Promise<string> {
  const temporary = await mkdtemp(join(directory, ".download-"));
  try {
    await promisify(execFile)("apt-get", ["download", "-q", name], { cwd: temporary });
    const [file] = await readdir(temporary);
    if (file === undefined) throw new Error("apt-get downloaded no file");
    await rename(join(temporary, file), join(directory, file));
    return file;
  } catch (error) {
    throw new ImageError(`apt-get download ${name}: ${reason(error)}; run apt-get update`, { cause: error });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
