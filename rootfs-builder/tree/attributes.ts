import { rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { reason } from "../../lib/reason.ts";
import { BuildError, saysFullDisk } from "../build-error.ts";
import { run } from "../run.ts";
import type { Tree } from "./tree.ts";

/** Whoever builds may set these, and no other, on files of their own. */
const OWN = "user.";
/** What file systems hold that are made without root. */
const KEPT = /^(user|trusted|security)\../s;

export const hasAttributes = (tree: Tree): boolean =>
  [...tree.values()].some(({ xattrs }) => xattrs !== undefined && xattrs.size > 0);

/** Refuses extended attributes of classes that no file system gets here, and those of symlinks, which can't have any while it is made. */
export function checkAttributes(tree: Tree): void {
  for (const [path, { type, xattrs }] of tree) {
    const name = [...(xattrs?.keys() ?? [])].find((one) => type === "symlink" || !KEPT.test(one));
    if (name === undefined) continue;
    throw new BuildError(
      `image: ${path} has the extended attribute ${name}; only user.*, trusted.* and security.* of files and folders are kept: take it away in the source`,
    );
  }
}

/**
 * Names of class `user` that stand for all others of a tree until a file system is made of what is staged: as long as these
 * without their class, so that they can be put in their place there. Equal trees have equal ones.
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

/** A name without its class. */
export function nameWithin(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

/**
 * Gives what is in `directory` the extended attributes of a tree, or what stands for them. Whoever runs this has to be allowed to
 * write to all of it.
 */
export async function writeAttributes(tree: Tree, directory: string): Promise<void> {
  if (!hasAttributes(tree)) return;
  const list = resolve(`${directory}.attributes`);
  await writeFile(list, [...lines(tree)].join(""));
  // It ends well where it can't read the list.
  const said = await run("setfattr", [`--restore=${list}`], { cwd: directory, bothOutputs: true }).catch(
    (error: unknown) => {
      throw tooLarge(tree, error);
    },
  );
  if (said.length > 0) throw new BuildError(`setfattr: ${said.toString().trim().split("\n", 1)[0]}`);
  await rm(list);
}

/** For what a file system has no room, and says that its disk is full. */
function tooLarge(tree: Tree, error: unknown): unknown {
  const sizes = [...tree].map(([path, { xattrs }]) => [path, attributeBytes(xattrs)] as const);
  const [path, bytes] = sizes.reduce((most, one) => (one[1] > most[1] ? one : most), ["", 0]);
  if (!saysFullDisk(reason(error)) || bytes <= ATTRIBUTE_BYTES) return error;
  return new BuildError(
    `image: ${path} has ${bytes} bytes of extended attributes, more than this machine keeps of a file`,
  );
}

/** What any file system keeps of one file, names and all. */
export const ATTRIBUTE_BYTES = 4096;

/** As ext4 counts them. */
export function attributeBytes(xattrs: ReadonlyMap<string, Uint8Array> = new Map()): number {
  const sizes = [...xattrs].map(([name, value]) => 24 + Buffer.byteLength(name) + value.length);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** As getfattr prints them. */
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
