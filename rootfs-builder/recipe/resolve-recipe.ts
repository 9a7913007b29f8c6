import { readFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { ImageError } from "../../image/image-error.ts";
import { readImage } from "../../image/read-image.ts";
import { BuildError } from "../build-error.ts";
import { debianArchitecture } from "../debian/architecture.ts";
import { packageClosure } from "../debian/closure.ts";
import { type DebianPackage, debianPackage } from "../debian/debian-package.ts";
import { exactPackage, fromFileName } from "../debian/exact-package.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import type { FileDigests } from "../digest.ts";
import { imagePackages } from "../image/contents.ts";
import { packagedNode } from "../image/stripped-node.ts";
import { sourceName } from "./add-source.ts";
import { type Lock, type LockedPackage, lockPath } from "./lock.ts";
import type { Recipe, Source } from "./recipe.ts";

export interface ResolveOptions {
  readonly digests: FileDigests;
  /** What has to come again; undefined: what there is now. */
  readonly locked?: Lock | undefined;
  /** Ask apt for new versions of what the cache has. */
  readonly refresh: boolean;
  /** Whether an output has the kernel in it. */
  readonly kernel: boolean;
}

/** What a recipe comes to. */
export interface Resolved {
  readonly lock: Lock;
  /** All of the lock by name. */
  readonly packages: ReadonlyMap<string, DebianPackage>;
}

/** The key of a source of packages in a lock. */
export function closureKey(names: readonly string[]): string {
  return names.join(" ");
}

/** Finds, and downloads where needed, all that a recipe takes from elsewhere. Throws BuildError. */
export async function resolveRecipe(recipe: Recipe, options: ResolveOptions): Promise<Resolved> {
  const { digests, locked } = options;
  const closures: Record<string, readonly string[]> = {};
  const packages = new Map<string, DebianPackage>();
  const hashes: Record<string, LockedPackage> = {};
  const take = async (name: string, one: LockedPackage) => {
    packages.set(name, await exactPackage({ name, ...one }));
    hashes[name] = one;
  };
  for (const { names } of recipe.sources.filter((source) => source.kind === "packages")) {
    const key = closureKey(names);
    if (locked !== undefined) {
      closures[key] = locked.closures[key] ?? notLocked(recipe, `packages ${key}`);
      for (const name of closures[key]) await take(name, lockedPackage(recipe, locked, name));
      continue;
    }
    const closure = await packageClosure(names);
    closures[key] = closure.map(({ name }) => name);
    for (const { name, version, sha256 } of closure) await take(name, { version, sha256 });
  }
  for (const name of recipe.agent ? imagePackages(recipe) : []) {
    if (packages.has(name)) continue;
    if (locked !== undefined) await take(name, lockedPackage(recipe, locked, name));
    else {
      const found = await debianPackage(name, options.refresh);
      packages.set(name, found);
      hashes[name] = { version: fromFileName(found.version), sha256: await digests.file(found.file) };
    }
  }
  const kernel = options.kernel ? await guestKernel(recipe.kernelRelease ?? locked?.kernel?.release) : undefined;
  const lock: Lock = {
    format: 1,
    architecture: debianArchitecture(),
    ...(recipe.agent ? { node: await nodeOfPackage(digests) } : {}),
    ...(kernel === undefined ? {} : { kernel: { release: kernel.release, sha256: await digests.file(kernel.image) } }),
    closures: sorted(closures),
    packages: sorted(hashes),
    images: sorted(await imageDigests(recipe)),
  };
  return { lock, packages };
}

function lockedPackage(recipe: Recipe, lock: Lock, name: string): LockedPackage {
  return lock.packages[name] ?? notLocked(recipe, `package ${name}`);
}

function notLocked({ file }: Recipe, what: string): never {
  throw new BuildError(`lock file ${basename(lockPath(file))}: ${what} is not in it: --update takes it in`);
}

async function nodeOfPackage(digests: FileDigests): Promise<{ version: string; sha256: string }> {
  const node = packagedNode();
  const about: unknown = JSON.parse(await readFile(join(dirname(dirname(node)), "package.json"), "utf8"));
  const version = typeof about === "object" && about !== null && "version" in about ? String(about.version) : "";
  return { version, sha256: await digests.file(node) };
}

async function imageDigests(recipe: Recipe): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const source of recipe.sources) {
    if (source.kind !== "image") continue;
    found[relative(dirname(recipe.file), source.path)] = await imageDigest(source);
  }
  return found;
}

async function imageDigest(source: Extract<Source, { readonly kind: "image" }>): Promise<string> {
  try {
    await using image = await readImage(source.path, source.imageName === undefined ? {} : { name: source.imageName });
    return image.digest;
  } catch (error) {
    if (error instanceof ImageError) throw new BuildError(`${sourceName(source)}: ${error.message}`);
    throw error;
  }
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
