import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { cacheDirectory } from "../cache-directory.ts";
import { hashFile } from "../digest.ts";
import { reportProgress } from "../progress.ts";
import { run } from "../run.ts";
import { withTemporary } from "../with-temporary.ts";
import type { KnownPackage } from "./closure.ts";
import type { DebianPackage } from "./debian-package.ts";

/** Interval between counts of the downloaded packages. */
const LOOK_MS = 300;

/**
 * Returns the .debs with exactly these contents, by name: from the cache, otherwise by one `apt-get download`. Locked
 * packages are in packages/<sha256> of the cache, so that they don't determine the version of packages that aren't
 * locked.
 */
export async function exactPackages(wanted: readonly KnownPackage[]): Promise<ReadonlyMap<string, DebianPackage>> {
  const found = await Promise.all(wanted.map(async (one) => [one, await cached(one)] as const));
  const missing = found.flatMap(([one, file]) => (file === undefined ? [one] : []));
  const files = new Map(missing.length === 0 ? [] : await download(missing));
  const all = found.map(([one, file]) => describe(one, file ?? files.get(one.name) ?? ""));
  return new Map(all.map((one) => [one.name, one]));
}

async function cached({ name, version, sha256 }: KnownPackage): Promise<string | undefined> {
  for (const directory of [cacheDirectory("packages", sha256), cacheDirectory("debs")]) {
    const file = await fileOf(directory, { name, version });
    if (file !== undefined && (await hashFile(join(directory, file))) === sha256) return join(directory, file);
  }
  return undefined;
}

async function download(wanted: readonly KnownPackage[]): Promise<readonly (readonly [name: string, file: string])[]> {
  const exact = wanted.map(({ name, version }) => `${name}=${version}`);
  return withTemporary(cacheDirectory("packages"), async (temporary) => {
    const watching = setInterval(async () => {
      const names = await readdir(temporary).catch(() => []);
      reportProgress({ unit: "packages", done: names.length, total: wanted.length });
    }, LOOK_MS);
    await run("apt-get", ["download", "-q", ...exact], { cwd: temporary })
      .catch((error: unknown) => {
        const why = reason(error).replace(/^apt-get .*?: ended with /, "apt-get ended with ");
        throw new BuildError(`packages ${exact.join(" ")}: not in the cache and not available: ${why}`);
      })
      .finally(() => clearInterval(watching));
    return Promise.all(wanted.map(async (one) => [one.name, await keep(temporary, one)] as const));
  });
}

/** Moves a downloaded package into the cache if its digest is right. */
async function keep(temporary: string, { name, version, sha256 }: KnownPackage): Promise<string> {
  const file = await fileOf(temporary, { name, version });
  if (file === undefined) throw new BuildError(`apt-get download ${name}=${version}: no .deb was downloaded`);
  const found = await hashFile(join(temporary, file));
  if (found !== sha256) {
    throw new BuildError(`package ${name} ${version}: its sha256 is ${found}, not ${sha256}`);
  }
  const directory = cacheDirectory("packages", sha256);
  await mkdir(directory, { recursive: true });
  await rename(join(temporary, file), join(directory, file));
  return join(directory, file);
}

function describe({ name, version }: KnownPackage, file: string): DebianPackage {
  return { name, version: inFileName(version), file };
}

async function fileOf(directory: string, { name, version }: Pick<KnownPackage, "name" | "version">) {
  const names = await readdir(directory).catch(() => []);
  return names.find((file) => file.startsWith(`${name}_${inFileName(version)}_`) && file.endsWith(".deb"));
}

/** Escapes a version as apt does in file names. */
function inFileName(version: string): string {
  return version.replaceAll(":", "%3a");
}

export function fromFileName(version: string): string {
  return version.replaceAll("%3a", ":");
}
