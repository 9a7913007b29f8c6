import { spawn } from "node:child_process";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { cacheDirectory } from "../cache-directory.ts";
import { notStarted, run } from "../run.ts";
import type { TarSource } from "../tree/merge.ts";
import { withTemporary } from "../with-temporary.ts";

export interface DebianPackage {
  readonly name: string;
  /** As in the file's name, where a colon is %3a. */
  readonly version: string;
  /** Path of the .deb in the cache. */
  readonly file: string;
}

/** Gives the .deb of a package by its name; which version, is decided there. */
export type PackageGetter = (name: string) => Promise<DebianPackage>;

/**
 * The .deb of a package: from the cache, else by `apt-get download`, which any user may do. The cache decides the version
 * until `refresh` asks apt again, so that builds on one machine are alike.
 */
export async function debianPackage(name: string, refresh = false): Promise<DebianPackage> {
  const directory = cacheDirectory("debs");
  await mkdir(directory, { recursive: true });
  const cached = refresh ? undefined : await newest(directory, name);
  return cached ?? (await download(directory, name));
}

/** The files of a package as a tar stream. Documentation, translations and the like are left out, then `place` decides. */
export function packageTar({ name, file }: DebianPackage, place: (path: string) => string | undefined): TarSource {
  return {
    name,
    stream: fileSystemTar(file),
    place: (path) => (UNWANTED.test(path) ? undefined : place(merged(path))),
  };
}

const UNWANTED =
  /^usr\/(share\/(doc|man|info|locale|lintian|bug|perl|perl5)|lib\/[^/]+\/(perl|perl5|gconv|audit)|include)(\/|$)/;

/** Debian 12 packages still put files below /lib and /sbin; the image has these as links into /usr. */
export function merged(path: string): string {
  return path.replace(/^(bin|sbin|lib|lib64)(?=\/|$)/, "usr/$1");
}

/** Downloads what apt would install, and drops other versions: the cache holds one of each package. */
async function download(directory: string, name: string): Promise<DebianPackage> {
  return withTemporary(directory, async (temporary) => {
    await run("apt-get", ["download", "-q", name], { cwd: temporary }).catch((error: unknown) => {
      throw new BuildError(`${reason(error)}: if apt does not know the package, run apt-get update as root`);
    });
    const [file] = await readdir(temporary);
    if (file === undefined) throw new BuildError(`apt-get download ${name}: no .deb came of it: run apt-get update`);
    await rename(join(temporary, file), join(directory, file));
    for (const other of await packagesIn(directory, name)) {
      if (other !== file) await rm(join(directory, other), { force: true });
    }
    return describe(directory, file);
  });
}

async function newest(directory: string, name: string): Promise<DebianPackage | undefined> {
  const file = (await packagesIn(directory, name)).at(-1);
  return file === undefined ? undefined : describe(directory, file);
}

async function packagesIn(directory: string, name: string): Promise<readonly string[]> {
  const files = (await readdir(directory)).filter((file) => file.startsWith(`${name}_`) && file.endsWith(".deb"));
  return files.sort(new Intl.Collator("en", { numeric: true }).compare);
}

function describe(directory: string, file: string): DebianPackage {
  const [name = "", version = ""] = file.split("_");
  return { name, version, file: join(directory, file) };
}

export async function* fileSystemTar(file: string): AsyncGenerator<Buffer> {
  const child = spawn("dpkg-deb", ["--fsys-tarfile", file], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.on("error", (error) => reject(notStarted("dpkg-deb", error)));
    child.on("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  ended.catch(() => {});
  try {
    yield* child.stdout;
    const code = await ended;
    if (code !== 0)
      throw new BuildError(`dpkg-deb --fsys-tarfile ${file}: ended with ${code}: ${errors.trim()}: delete it`);
  } finally {
    child.kill();
  }
}
