import { readFile } from "node:fs/promises";
import { basename } from "node:path";
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
    const lock = JSON.parse(await readFile(path, "utf8")) as Partial<Lock>;
    const maps = [lock.closures, lock.packages, lock.images];
    if (lock.format === 1 && maps.every((map) => typeof map === "object" && map !== null)) return lock as Lock;
    throw new BuildError(`lock file ${path}: not one of this builder: make it again with --update`);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (error instanceof SyntaxError)
      throw new BuildError(`lock file ${path}: it is not JSON: make it again with --update`);
    throw error;
  }
}

/** Throws BuildError at the first thing that the build takes and the lock has otherwise. */
export function refuseDifference(taken: Lock, locked: Lock, path: string): void {
  const [key] = differences(taken as unknown as Tree, locked as unknown as Tree, "");
  if (key === undefined) return;
  const [now, then] = [taken, locked].map((lock) => valueAt(lock as unknown as Tree, key));
  throw new BuildError(
    `lock file ${basename(path)}: ${key.join(" ")} is ${text(now)} now, and ${text(then)} in the lock: --update takes what there is now`,
  );
}

type Tree = { readonly [key: string]: Tree | string | number };

function differences(a: Tree, b: Tree, _at: string, path: readonly string[] = []): (readonly string[])[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().flatMap((key) => {
    const [one, other] = [a[key], b[key]];
    const here = [...path, key];
    if (typeof one === "object" && typeof other === "object") return differences(one, other, "", here);
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
