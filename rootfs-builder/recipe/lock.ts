import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseJson } from "../../lib/parse-json.ts";
import { BuildError, hasCode } from "../build-error.ts";

export interface LockedPackage {
  readonly version: string;
  /** Of the .deb, in hexadecimal. */
  readonly sha256: string;
}

/** What a recipe came to: two builds with the same lock take the same bytes. */
export interface Lock {
  readonly format: 1;
  /** Debian's name of it. */
  readonly architecture: string;
  readonly node?: { readonly version: string; readonly sha256: string };
  readonly kernel?: { readonly release: string; readonly sha256: string };
  /** The list of each source of packages, with spaces between, and what they are with all that they depend on. */
  readonly closures: Readonly<Record<string, readonly string[]>>;
  readonly packages: Readonly<Record<string, LockedPackage>>;
  /** Path as in the recipe's folder, and digest ("sha256:…"). */
  readonly images: Readonly<Record<string, string>>;
}

/** Where the lock of a recipe lies: mine.lock.json beside mine.yaml. */
export function lockPath(recipe: string): string {
  return `${recipe.replace(/\.(ya?ml|json)$/, "")}.lock.json`;
}

/** Undefined when there is none. */
export async function readLock(path: string): Promise<Lock | undefined> {
  try {
    const lock: unknown = parseJson(await readFile(path, "utf8"), path);
    if (isLock(lock)) return lock;
    throw new BuildError(`lock file ${path}: not one of this builder: make it again with --update`);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (error instanceof SyntaxError) throw new BuildError(`lock file ${error.message}: make it again with --update`);
    throw error;
  }
}

/** Paths and arguments are made of names, versions and hashes: they have to look like such. */
function isLock(value: unknown): value is Lock {
  if (!isMap(value) || value["format"] !== 1) return false;
  const { closures, packages, images, kernel = {} } = value;
  if (!isMap(closures) || !isMap(packages) || !isMap(images) || !isMap(kernel)) return false;
  const isName = (name: unknown) => typeof name === "string" && /^[a-z0-9][a-z0-9.+-]+$/.test(name);
  const isPackage = (one: unknown) =>
    isMap(one) &&
    /^[0-9A-Za-z][\w.+~:-]*$/.test(String(one["version"])) &&
    /^[0-9a-f]{64}$/.test(String(one["sha256"]));
  return (
    Object.keys(packages).every(isName) &&
    Object.values(packages).every(isPackage) &&
    Object.values(closures).every((names) => Array.isArray(names) && names.every(isName)) &&
    /^[\w.+~-]+$/.test(String(kernel["release"]))
  );
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws BuildError at the first thing that the build takes and the lock has otherwise. */
export function refuseDifference(taken: Lock, locked: Lock, path: string): void {
  const [key] = differences(taken as unknown as Tree, locked as unknown as Tree);
  if (key === undefined) return;
  const [now, then] = [taken, locked].map((lock) => valueAt(lock as unknown as Tree, key));
  throw new BuildError(
    `lock file ${basename(path)}: ${key.join(" ")} is ${text(now)} now, and ${text(then)} in the lock: --update takes what there is now`,
  );
}

type Tree = { readonly [key: string]: Tree | string | number };

function differences(a: Tree, b: Tree, path: readonly string[] = []): (readonly string[])[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().flatMap((key) => {
    const [one, other] = [a[key], b[key]];
    const here = [...path, key];
    if (typeof one === "object" && typeof other === "object") return differences(one, other, here);
    return one === other ? [] : [here];
  });
}

function valueAt(tree: Tree, path: readonly string[]): Tree | string | number | undefined {
  let at: Tree | string | number | undefined = tree;
  for (const key of path) at = typeof at === "object" ? at[key] : undefined;
  return at;
}

function text(value: unknown): string {
  if (value === undefined) return "nothing";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
