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
  /** Version as in the file name, where a colon is %3a. */
  readonly version: string;
  /** Path of the .deb in the cache. */
  readonly file: string;
}

/** Returns the .deb of a package by name, in the version that the getter chooses. */
export type PackageGetter = (name: string) => Promise<DebianPackage>;

/**
 * Returns the .deb of a package from the cache, otherwise by `apt-get download`, which any user can run. The cached
 * version stays until `refresh` asks apt again, so that builds on one machine are equal.
 */
export async function debianPackage(name: string, refresh = false): Promise<DebianPackage> {
  const directory = cacheDirectory("debs");
  await mkdir(directory, { recursive: true });
  const cached = refresh ? undefined : await newest(directory, name);
  return cached ?? (await download(directory, name));
}

/**
 * Returns the files of a package as a tar stream, without documentation, translations and similar. `place` decides
 * about the rest.
 */
export function packageTar({ name, file }: DebianPackage, place: (path: string) => string | undefined): TarSource {
  return {
    name,
    stream: fileSystemTar(file),
    place: (path) => (UNWANTED.test(path) ? undefined : place(merged(path))),
  };
}

const UNWANTED =
  /^usr\/(share\/(doc|man|info|locale|lintian|bug|perl|perl5)|lib\/[^/]+\/(perl|perl5|gconv|audit)|include)(\/|$)/;

/** Maps /lib and /sbin below /usr: Debian 12 packages still install files there, and the image has links instead. */
export function merged(path: string): string {
  return path.replace(/^(bin|sbin|lib|lib64)(?=\/|$)/, "usr/$1");
}

/** Downloads the version that apt would install, and drops others: the cache holds one version of each package. */
async function download(directory: string, name: string): Promise<DebianPackage> {
  return withTemporary(directory, async (temporary) => {
    await run("apt-get", ["download", "-q", name], { cwd: temporary }).catch((error: unknown) => {
      throw new BuildError(`${reason(error)}: if apt does not know the package, run apt-get update as root`);
    });
    const [file] = await readdir(temporary);
    if (file === undefined)
      throw new BuildError(`apt-get download ${name}: no .deb was downloaded: run apt-get update`);
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

/** Files that no program reads: documentation, translations, obsolete character sets, package checks. */
const LEFT_OUT =
  /^usr\/(share\/(bash-completion|bug|doc|doc-base|help|info|lintian|locale|man|menu|zsh)|lib\/[^/]+\/gconv)(\/|$)/;

/** Returns all files of a package that a recipe requests. Its maintainer scripts don't run. */
export function packageFiles({ name, file }: DebianPackage): TarSource {
  return {
    name: `package ${name}`,
    stream: fileSystemTar(file),
    place: (path) => (LEFT_OUT.test(merged(path)) ? undefined : merged(path)),
  };
}
