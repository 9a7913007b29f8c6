import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { isJsonObject, parseJson } from "../../lib/parse-json.ts";
import { BuildError, hasCode } from "../build-error.ts";

export interface LockedPackage {
  readonly version: string;
  /** SHA-256 of the .deb, in hexadecimal. */
  readonly sha256: string;
}

/** Resolved inputs of a recipe: two builds with the same lock use the same bytes. */
export interface Lock {
  readonly format: 1;
  /** Debian's name of the architecture. */
  readonly architecture: string;
  readonly node?: { readonly version: string; readonly sha256: string };
  readonly kernel?: { readonly release: string; readonly sha256: string };
  /** Package list of each source, separated by spaces → names of those packages and all their dependencies. */
  readonly closures: Readonly<Record<string, readonly string[]>>;
  readonly packages: Readonly<Record<string, LockedPackage>>;
  /** Path as in the recipe → digest ("sha256:…"). */
  readonly images: Readonly<Record<string, string>>;
}

/** Returns the path of a recipe's lock file: mine.lock.json beside mine.yaml. */
export function lockPath(recipe: string): string {
  return `${recipe.replace(/\.(ya?ml|json)$/, "")}.lock.json`;
}

/** Returns undefined if the file doesn't exist. */
export async function readLock(path: string): Promise<Lock | undefined> {
  try {
    const lock: unknown = parseJson(await readFile(path, "utf8"), path);
    if (isLock(lock)) return lock;
    throw new BuildError(`lock file ${path}: not written by this builder: recreate it with --update`);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (error instanceof SyntaxError) throw new BuildError(`lock file ${error.message}: recreate it with --update`);
    throw error;
  }
}

/** Checks the syntax of names, versions and hashes, which become parts of paths and arguments. */
function isLock(value: unknown): value is Lock {
  if (!isJsonObject(value) || value["format"] !== 1) return false;
  const { closures, packages, images, kernel = {} } = value;
  if (!isJsonObject(closures) || !isJsonObject(packages) || !isJsonObject(images) || !isJsonObject(kernel))
    return false;
  const isName = (name: unknown) => typeof name === "string" && /^[a-z0-9][a-z0-9.+-]+$/.test(name);
  const isPackage = (one: unknown) =>
    isJsonObject(one) &&
    /^[0-9A-Za-z][\w.+~:-]*$/.test(String(one["version"])) &&
    /^[0-9a-f]{64}$/.test(String(one["sha256"]));
  return (
    Object.keys(packages).every(isName) &&
    Object.values(packages).every(isPackage) &&
    Object.values(closures).every((names) => Array.isArray(names) && names.every(isName)) &&
    /^[\w.+~-]+$/.test(String(kernel["release"]))
  );
}

/** Throws BuildError at the first difference between the build's inputs and the lock. */
export function refuseDifference(taken: Lock, locked: Lock, path: string): void {
  const [key] = differences(taken as unknown as Tree, locked as unknown as Tree);
  if (key === undefined) return;
  const [now, then] = [taken, locked].map((lock) => valueAt(lock as unknown as Tree, key));
  throw new BuildError(
    `lock file ${basename(path)}: ${key.join(" ")} is ${text(now)} now, and ${text(then)} in the lock: use --update to take the new one`,
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
