import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MAX_DEPTH } from "../../image/resolve-in-root.ts";
import { temporaryPlace } from "../../lib/safe-place.ts";
import { BuildError } from "../build-error.ts";
import { owned, type Tree, type TreeEntry } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { MOST_BYTES } from "./bounds.ts";
import { reading, shown } from "./check.ts";
import { debugfs } from "./debugfs.ts";
import { ext4Capabilities } from "./ext4-capabilities.ts";
import { type Ext4Inode, ext4Inodes, ext4Names } from "./ext4-structures.ts";
import { linkTarget } from "./link-target.ts";
import { pathCounter } from "./path-counter.ts";

const ROOT = 2;
/** The folder for what debugfs writes. */
const CONTENT = "content";

interface Found {
  readonly path: string;
  readonly inode: number;
}

export function isExt4(bytes: Buffer): boolean {
  return bytes.length > 2048 && bytes.readUInt16LE(1024 + 56) === 0xef53;
}

/** What an ext4 says of its own size, in bytes. */
export function ext4Size(bytes: Buffer): number {
  return bytes.readUInt32LE(1024 + 4) * ext4BlockSize(bytes);
}

function ext4BlockSize(bytes: Buffer): number {
  return 2 ** (10 + bytes.readUInt32LE(1024 + 24));
}

/**
 * Everything in an ext4, by debugfs, which is asked by numbers of inodes and writes files of such names: no name of the
 * image is given to a program or to a file system of this machine.
 */
export function readExt4(fileSystem: Buffer): Promise<Tree> {
  return withTemporary(temporaryPlace(), async (work) => {
    await writeFile(join(work, "image"), fileSystem);
    await mkdir(join(work, CONTENT));
    const { inodes, paths } = await walk(work, ext4BlockSize(fileSystem));
    const apart = [...inodes].filter(([, { type, target }]) => type !== "directory" && target === undefined);
    await dump(work, new Map(apart).keys());
    const capable = await ext4Capabilities(
      work,
      fileSystem,
      [...inodes].filter(([, { type }]) => type === "file"),
    );
    const entries = new Map<number, TreeEntry>();
    for (const [number, inode] of inodes) entries.set(number, await entryOf(work, number, inode, capable.get(number)));
    const tree: Tree = new Map();
    for (const path of [...paths.keys()].sort()) {
      const entry = entries.get(paths.get(path) ?? 0);
      if (entry !== undefined) tree.set(path, entry);
    }
    return tree;
  });
}

/** Inodes by number, and the number of each path; a level of directories at a time. */
async function walk(work: string, blockSize: number) {
  const inodes = new Map<number, Ext4Inode>();
  const paths = new Map<string, number>();
  const pathOf = pathCounter("ext4");
  let [total, depth] = [0, 0];
  for (let level: readonly Found[] = [{ path: "", inode: ROOT }]; level.length > 0; ) {
    if (++depth > MAX_DEPTH) throw new BuildError(`ext4: directories in each other, more than ${MAX_DEPTH}`);
    const fresh = new Set(level.map(({ inode }) => inode).filter((inode) => !inodes.has(inode)));
    for (const [number, inode] of await inodesOf(work, fresh)) {
      inodes.set(number, inode);
      total += inode.size;
      if (total > MOST_BYTES) throw new BuildError("ext4: its files have more than 2 GiB");
    }
    const directories = level.filter(({ inode }) => inodes.get(inode)?.type === "directory");
    for (const { path, inode } of directories) {
      if (!fresh.delete(inode)) throw new BuildError(`ext4: directory /${shown(path)} has two places`);
    }
    await dump(work, new Set(directories.map(({ inode }) => inode)));
    const below: Found[] = [];
    for (const { path, inode } of directories) {
      const bytes = await readFile(join(work, CONTENT, String(inode)));
      below.push(
        ...reading("ext4", () => entriesBelow(ext4Names(bytes, blockSize), (name) => pathOf(path, name), paths)),
      );
    }
    level = below;
  }
  return { inodes, paths };
}

/** What is in a directory; it is added to the paths. */
function entriesBelow(
  names: ReturnType<typeof ext4Names>,
  pathOf: (name: string) => string,
  paths: Map<string, number>,
): readonly Found[] {
  const found: Found[] = [];
  for (const { name, inode } of names) {
    const path = pathOf(name);
    if (paths.has(path)) throw new BuildError(`ext4: two entries are named /${shown(path)}`);
    paths.set(path, inode);
    found.push({ path, inode });
  }
  return found;
}

async function entryOf(work: string, number: number, inode: Ext4Inode, capability?: Buffer): Promise<TreeEntry> {
  const { type, mode, uid, gid, size } = inode;
  const xattrs = capability === undefined ? undefined : new Map([["security.capability", capability]]);
  const owner = owned({ uid, gid, xattrs });
  if (type === "directory") return { type, mode, ...owner };
  const content = inode.target ?? (await readFile(join(work, CONTENT, String(number))));
  if (content.length !== size) throw new BuildError(`ext4: inode ${number} has ${content.length} bytes, not ${size}`);
  if (type === "symlink") return { type, target: linkTarget("ext4", content), ...owner };
  return { type, mode, content, ...owner };
}

async function inodesOf(work: string, numbers: Iterable<number>): Promise<ReadonlyMap<number, Ext4Inode>> {
  const output = await debugfs(work, "inode_dump <#>", numbers);
  return reading("ext4", () => ext4Inodes(output));
}

async function dump(work: string, numbers: Iterable<number>): Promise<void> {
  await debugfs(work, `dump <#> ${CONTENT}/#`, numbers);
}
