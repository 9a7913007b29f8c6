import { readFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { readImage } from "../../image/read-image.ts";
import { BuildError } from "../build-error.ts";
import { debianArchitecture } from "../debian/architecture.ts";
import { type KnownPackage, packageClosure } from "../debian/closure.ts";
import { type DebianPackage, debianPackage } from "../debian/debian-package.ts";
import { exactPackages, fromFileName } from "../debian/exact-packages.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import type { FileDigests } from "../digest.ts";
import { imagePackages } from "../image/contents.ts";
import { packagedNode } from "../image/stripped-node.ts";
import { type Lock, type LockedPackage, lockPath } from "./lock.ts";
import type { Recipe, Source } from "./recipe.ts";
import { sourceError } from "./source-error.ts";

export interface ResolveOptions {
  readonly digests: FileDigests;
  /** Lock to reproduce; undefined resolves anew. */
  readonly locked?: Lock | undefined;
  /** Asks apt for new versions of cached packages. */
  readonly refresh: boolean;
  /** True if an output contains the kernel. */
  readonly kernel: boolean;
}

/** Resolved recipe. */
export interface Resolved {
  readonly lock: Lock;
  /** All packages in the lock, by name. */
  readonly packages: ReadonlyMap<string, DebianPackage>;
}

/** Returns the key of a package source in a lock. */
export function closureKey(names: readonly string[]): string {
  return names.join(" ");
}

/** Finds, and downloads if necessary, everything that a recipe takes from elsewhere. Throws BuildError. */
export async function resolveRecipe(recipe: Recipe, options: ResolveOptions): Promise<Resolved> {
  const { digests, locked } = options;
  const closures: Record<string, readonly string[]> = {};
  const hashes: Record<string, LockedPackage> = {};
  const wanted = new Map<string, KnownPackage>();
  for (const { names } of recipe.sources.filter((source) => source.kind === "packages")) {
    const key = closureKey(names);
    const closure = locked === undefined ? await packageClosure(names) : lockedClosure(recipe, locked, key);
    closures[key] = closure.map(({ name }) => name);
    for (const one of closure) wanted.set(one.name, one);
  }
  const packages = new Map<string, DebianPackage>();
  for (const name of (recipe.agent ? imagePackages(recipe) : []).filter((one) => !wanted.has(one))) {
    if (locked !== undefined) wanted.set(name, lockedPackage(recipe, locked, name));
    else {
      const found = await debianPackage(name, options.refresh);
      packages.set(name, found);
      const version = fromFileName(found.version);
      hashes[name] = { version, sha256: await digests.file(found.file) };
    }
  }
  for (const [name, found] of await exactPackages([...wanted.values()])) packages.set(name, found);
  for (const { name, version, sha256 } of wanted.values()) hashes[name] = { version, sha256 };
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

function lockedClosure(recipe: Recipe, lock: Lock, key: string): readonly KnownPackage[] {
  const names = lock.closures[key] ?? notLocked(recipe, `packages ${key}`);
  return names.map((name) => lockedPackage(recipe, lock, name));
}

function lockedPackage(recipe: Recipe, lock: Lock, name: string): KnownPackage {
  const { version, sha256 } = lock.packages[name] ?? notLocked(recipe, `package ${name}`);
  return { name, version, sha256 };
}

function notLocked({ file }: Recipe, what: string): never {
  throw new BuildError(`lock file ${basename(lockPath(file))}: ${what} is missing: use --update to add it`);
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
    const which = source.imageName === undefined ? "" : ` ${source.imageName}`;
    found[relative(dirname(recipe.file), source.path) + which] = await imageDigest(source);
  }
  return found;
}

async function imageDigest(source: Extract<Source, { readonly kind: "image" }>): Promise<string> {
  try {
    await using image = await readImage(source.path, source.imageName === undefined ? {} : { name: source.imageName });
    return image.digest;
  } catch (error) {
    throw sourceError(source, error);
  }
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
