import { rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { reason } from "../../lib/reason.ts";
import { BuildError, saysFullDisk } from "../build-error.ts";
import { run } from "../run.ts";
import type { Tree } from "./tree.ts";

/** Class that an ordinary user can set on their own files. */
const OWN = "user.";
/** Classes that file systems made without root can hold. */
const KEPT = /^(user|trusted|security)\../s;

export const hasAttributes = (tree: Tree): boolean =>
  [...tree.values()].some(({ xattrs }) => xattrs !== undefined && xattrs.size > 0);

/** Refuses extended attributes of classes that no file system supports here, and those of symlinks. */
export function checkAttributes(tree: Tree): void {
  for (const [path, { type, xattrs }] of tree) {
    const name = [...(xattrs?.keys() ?? [])].find((one) => type === "symlink" || !KEPT.test(one));
    if (name === undefined) continue;
    throw new BuildError(
      `image: ${path} has the extended attribute ${name}; only user.*, trusted.* and security.* of files and folders are supported: remove it from the source`,
    );
  }
}

/**
 * Returns placeholders of class `user` for a tree's other attribute names. They are as long as those names without
 * their class, so that the real names can replace them in the finished file system. Equal trees have equal
 * placeholders.
 */
export function placeholders(tree: Tree): ReadonlyMap<string, string> {
  const names = new Set([...tree.values()].flatMap(({ xattrs }) => [...(xattrs?.keys() ?? [])]));
  const found = new Map<string, string>();
  for (const name of [...names].filter((one) => !one.startsWith(OWN)).sort()) {
    const length = Buffer.byteLength(nameWithin(name));
    let made = "";
    for (let number = 0; made === "" || names.has(made); number++) {
      made = OWN + number.toString(36).padStart(length, "_");
    }
    if (made.length > OWN.length + length) throw new BuildError(`image: too many extended attributes like ${name}`);
    names.add(made);
    found.set(name, made);
  }
  return found;
}

/** Returns a name without its class. */
export function nameWithin(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

/**
 * Sets a tree's extended attributes, or their placeholders, below `directory`. The current user needs write access to
 * all of it.
 */
export async function writeAttributes(tree: Tree, directory: string): Promise<void> {
  if (!hasAttributes(tree)) return;
  const list = resolve(`${directory}.attributes`);
  await writeFile(list, [...lines(tree)].join(""));
  // It exits with 0 even if it can't read the list.
  const said = await run("setfattr", [`--restore=${list}`], { cwd: directory, bothOutputs: true }).catch(
    (error: unknown) => {
      throw tooLarge(tree, error);
    },
  );
  if (said.length > 0) throw new BuildError(`setfattr: ${said.toString().trim().split("\n", 1)[0]}`);
  await rm(list);
}

/** Replaces the error of a file system that has no room for attributes but reports a full disk. */
function tooLarge(tree: Tree, error: unknown): unknown {
  const sizes = [...tree].map(([path, { xattrs }]) => [path, attributeBytes(xattrs)] as const);
  const [path, bytes] = sizes.reduce((most, one) => (one[1] > most[1] ? one : most), ["", 0]);
  if (!saysFullDisk(reason(error)) || bytes <= ATTRIBUTE_BYTES) return error;
  return new BuildError(
    `image: ${path} has ${bytes} bytes of extended attributes, more than this machine supports for one file`,
  );
}

/** Attribute size that any file system supports for one file, including names. */
export const ATTRIBUTE_BYTES = 4096;

/** Returns the size of attributes as ext4 counts it. */
export function attributeBytes(xattrs: ReadonlyMap<string, Uint8Array> = new Map()): number {
  const sizes = [...xattrs].map(([name, value]) => 24 + Buffer.byteLength(name) + value.length);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Yields attributes in the format that getfattr prints. */
function* lines(tree: Tree): Generator<string> {
  const standing = placeholders(tree);
  for (const [path, { xattrs }] of tree) {
    if (xattrs === undefined || xattrs.size === 0) continue;
    yield `# file: ${escaped(path)}\n`;
    for (const [name, value] of xattrs) {
      yield `${escaped(standing.get(name) ?? name)}=0s${Buffer.from(value).toString("base64")}\n`;
    }
    yield "\n";
  }
}

const escaped = (text: string) =>
  text.replaceAll(/[\\=\n\r]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`);
