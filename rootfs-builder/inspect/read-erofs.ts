import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";
import { checkPath } from "../tree/check-entry.ts";
import { typeOf } from "../tree/entry-type.ts";
import { owned, type Tree, type TreeEntry } from "../tree/tree.ts";
import { reading, shown } from "./check.ts";
import { attributeBytes, erofsAttributes } from "./erofs-attributes.ts";

export const SUPERBLOCK = 1024;
const MAGIC = 0xe0f5e1e2;
/** Bytes of a directory record. */
const RECORD = 12;
/** Data layouts of an inode: Documentation/filesystems/erofs.rst of the kernel. */
const LAYOUTS = ["plain", "compressed", "inline", "compressed", "chunks"] as const;
type Layout = (typeof LAYOUTS)[number];
/** Layouts whose data this module reads. */
const READABLE: readonly Layout[] = ["plain", "inline"];

export interface Erofs {
  readonly blockSize: number;
  /** Entries. Files that are compressed or in chunks have no content. */
  readonly tree: Tree;
  /** Size of the file system in bytes, a multiple of its block size. */
  readonly size: number;
  readonly layouts: ReadonlyMap<string, Layout>;
  /** Position of each path's inode. */
  readonly inodes: ReadonlyMap<string, InodePlace>;
}

export interface InodePlace {
  /** Inode number, as directories store it. */
  readonly node: number;
  readonly size: number;
  /** Offset in bytes. */
  readonly at: number;
  /** True for an inode of 64 bytes; a compact one has 32, and owners of 16 bits. */
  readonly extended: boolean;
}

interface Inode extends Omit<InodePlace, "node"> {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly layout: Layout;
  readonly data: () => Buffer;
}

export function isErofs(bytes: Buffer): boolean {
  return bytes.length > SUPERBLOCK + 128 && bytes.readUInt32LE(SUPERBLOCK) === MAGIC;
}

/** Reads every entry of an EROFS. */
export function readErofs(bytes: Buffer): Erofs {
  return reading("EROFS", () => walk(bytes));
}

function walk(bytes: Buffer): Erofs {
  const bits = bytes.readUInt8(SUPERBLOCK + 12);
  if (bits < 9 || bits > 16) throw new BuildError(`EROFS: blocks of 2^${bits} bytes`);
  const blockSize = 1 << bits;
  const shared = bytes.readUInt32LE(SUPERBLOCK + 44) * blockSize;
  const metaStart = bytes.readUInt32LE(SUPERBLOCK + 40) * blockSize;
  const tree: Tree = new Map();
  const layouts = new Map<string, Layout>();
  const inodes = new Map<string, InodePlace>();
  const known = new Map<number, { readonly inode: Inode; readonly entry: TreeEntry }>();
  const pending = [{ path: "", node: bytes.readUInt16LE(SUPERBLOCK + 14) }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, node } = next;
    if (tree.has(path)) throw new BuildError(`EROFS: duplicate entry /${shown(path)}`);
    const before = known.get(node);
    if (before?.entry.type === "directory") throw new BuildError(`EROFS: directory /${shown(path)} contains itself`);
    const inode = before?.inode ?? readInode(bytes, metaStart + node * 32, blockSize, shared);
    const entry = before?.entry ?? entryOf(inode, path);
    known.set(node, { inode, entry });
    if (path !== "") tree.set(path, entry);
    layouts.set(path, inode.layout);
    inodes.set(path, { node, size: inode.size, at: inode.at, extended: inode.extended });
    if (entry.type !== "directory") continue;
    for (const { name, node: child } of namesIn(inode.data(), blockSize)) {
      pending.push({ path: pathBelow(path, name), node: child });
    }
  }
  return { blockSize, tree, layouts, inodes, size: bytes.readUInt32LE(SUPERBLOCK + 36) * blockSize };
}

/** Yields the entries of a directory. Each block starts with records; the first record's name starts where the records end. */
function* namesIn(data: Buffer, blockSize: number): Generator<{ readonly name: string; readonly node: number }> {
  for (let start = 0; start < data.length; start += blockSize) {
    const block = data.subarray(start, start + blockSize);
    const count = block.readUInt16LE(8) / RECORD;
    if (count === 0 || !Number.isInteger(count)) throw new BuildError("EROFS: a directory block has no records");
    for (let index = 0; index < count; index++) {
      const from = block.readUInt16LE(index * RECORD + 8);
      const to = index + 1 < count ? block.readUInt16LE(index * RECORD + 20) : block.length;
      // The last name ends with a NUL byte or with its block.
      const name = block.toString("utf8", from, to).replace(/\0.*$/s, "");
      if (name !== "." && name !== "..") yield { name, node: Number(block.readBigUInt64LE(index * RECORD)) };
    }
  }
}

/** Returns the path of a directory entry. Refuses names that could lead fsck.erofs out of the folder it extracts to. */
function pathBelow(parent: string, name: string): string {
  if (name === "" || name.includes("/")) throw new BuildError(`EROFS: an entry is named ${JSON.stringify(name)}`);
  const path = parent === "" ? name : `${parent}/${name}`;
  try {
    checkPath(path);
  } catch (error) {
    throw new BuildError(`EROFS: /${shown(path).slice(0, 200)}: ${reason(error)}`);
  }
  return path;
}

function readInode(bytes: Buffer, at: number, blockSize: number, shared: number): Inode {
  const format = bytes.readUInt16LE(at);
  const extended = (format & 1) === 1;
  const layout = LAYOUTS[(format >> 1) & 7];
  if (layout === undefined) throw new BuildError(`EROFS: an inode at ${at} of unknown layout`);
  const attributes = bytes.readUInt16LE(at + 2);
  const size = extended ? Number(bytes.readBigUInt64LE(at + 8)) : bytes.readUInt32LE(at + 8);
  const inodeEnd = at + (extended ? 64 : 32);
  const tail = inodeEnd + attributeBytes(attributes);
  return {
    at,
    extended,
    size,
    mode: bytes.readUInt16LE(at + 4),
    uid: extended ? bytes.readUInt32LE(at + 24) : bytes.readUInt16LE(at + 24),
    gid: extended ? bytes.readUInt32LE(at + 28) : bytes.readUInt16LE(at + 26),
    xattrs: erofsAttributes(bytes, inodeEnd, attributes, shared),
    layout,
    data() {
      const start = bytes.readUInt32LE(at + 16) * blockSize;
      const whole = layout === "inline" ? size - (size % blockSize) : size;
      if (size === whole) return slice(bytes, start, size);
      return Buffer.concat([slice(bytes, start, whole), slice(bytes, tail, size - whole)]);
    },
  };
}

function entryOf({ mode, uid, gid, xattrs, layout, data }: Inode, path: string): TreeEntry {
  const type = typeOf(mode);
  const owner = owned({ uid, gid, xattrs });
  const permissions = mode & 0o7777;
  if (type === "directory" || type === "symlink") {
    if (!READABLE.includes(layout)) throw new BuildError(`EROFS: /${shown(path)} is a ${type}, and ${layout}`);
    if (type === "directory") return { type, mode: permissions, ...owner };
    return { type, target: data().toString(), ...owner };
  }
  if (type !== "file") throw new BuildError(`EROFS: /${shown(path)} is a device, a pipe or a socket`);
  return { type, mode: permissions, content: READABLE.includes(layout) ? data() : Buffer.alloc(0), ...owner };
}

function slice(bytes: Buffer, start: number, size: number): Buffer {
  if (size === 0) return Buffer.alloc(0); // without data, the start block is undefined
  if (start + size > bytes.length) throw new BuildError("EROFS: data beyond the end of the file");
  return bytes.subarray(start, start + size);
}
