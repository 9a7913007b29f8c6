import { BuildError } from "../build-error.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { MAX_ENTRIES, MAX_TARGET } from "./bounds.ts";
import { reading, shown } from "./check.ts";
import { attributeBytes, erofsAttributes } from "./erofs-attributes.ts";

export const SUPERBLOCK = 1024;
const MAGIC = 0xe0f5e1e2;
/** The upper four bits of a mode. */
const TYPES = { 4: "directory", 8: "file", 10: "symlink" } as const;
/** How an inode's data lies: Documentation/filesystems/erofs.rst of the kernel. */
const LAYOUTS = ["plain", "compressed", "inline", "compressed", "chunks"] as const;
type Layout = (typeof LAYOUTS)[number];
/** Those whose data is read here. */
const READABLE: readonly Layout[] = ["plain", "inline"];

export interface Erofs {
  readonly blockSize: number;
  /** Without the content of files that are compressed or in chunks. */
  readonly tree: Tree;
  /** Bytes of the file system itself, in blocks. */
  readonly size: number;
  readonly layouts: ReadonlyMap<string, Layout>;
  /** Where the inode of each path lies. */
  readonly inodes: ReadonlyMap<string, InodePlace>;
}

export interface InodePlace {
  /** Its number, as directories have it. */
  readonly node: number;
  readonly size: number;
  /** Bytes from the start. */
  readonly at: number;
  /** Of 64 bytes, else of 32, whose owners have 16 bits. */
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

/** Everything in an EROFS, whose bytes are a stranger's. */
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
  const files = new Map<number, TreeEntry>();
  const pending = [{ path: "", node: bytes.readUInt16LE(SUPERBLOCK + 14) }];
  const directories = new Set<number>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, node } = next;
    const inode = readInode(bytes, metaStart + node * 32, blockSize, shared);
    const entry = files.get(node) ?? entryOf(inode, path);
    if (tree.has(path)) throw new BuildError(`EROFS: two entries are named /${shown(path)}`);
    if (path !== "") tree.set(path, entry);
    layouts.set(path, inode.layout);
    inodes.set(path, { node, size: inode.size, at: inode.at, extended: inode.extended });
    if (entry.type !== "directory") {
      files.set(node, entry);
      continue;
    }
    if (directories.has(node)) throw new BuildError(`EROFS: directory /${shown(path)} is in itself`);
    directories.add(node);
    for (const { name, node: child } of entriesOf(inode.data(), blockSize)) {
      if (tree.size + pending.length >= MAX_ENTRIES) throw new BuildError(`EROFS: more than ${MAX_ENTRIES} entries`);
      pending.push({ path: path === "" ? name : `${path}/${name}`, node: child });
    }
  }
  return { blockSize, tree, layouts, inodes, size: bytes.readUInt32LE(SUPERBLOCK + 36) * blockSize };
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

function entryOf({ mode, uid, gid, xattrs, size, layout, data }: Inode, path: string): TreeEntry {
  const type = TYPES[(mode >> 12) as keyof typeof TYPES];
  const owned = {
    ...(uid === 0 ? {} : { uid }),
    ...(gid === 0 ? {} : { gid }),
    ...(xattrs.size === 0 ? {} : { xattrs }),
  };
  const permissions = mode & 0o7777;
  if (type === "directory" || type === "symlink") {
    if (!READABLE.includes(layout)) throw new BuildError(`EROFS: /${shown(path)} is a ${type}, and ${layout}`);
    if (type === "directory") return { type, mode: permissions, ...owned };
    if (size > MAX_TARGET) throw new BuildError(`EROFS: a symlink of ${size} bytes`);
    return { type, target: data().toString(), ...owned };
  }
  if (type !== "file") throw new BuildError(`EROFS: /${shown(path)} is a device, a pipe or a socket`);
  return { type, mode: permissions, content: READABLE.includes(layout) ? data() : Buffer.alloc(0), ...owned };
}

/** Blocks of records of twelve bytes, then the names; the first record's name begins where the records end. */
function* entriesOf(data: Buffer, blockSize: number): Generator<{ name: string; node: number }> {
  for (let start = 0; start < data.length; start += blockSize) {
    const block = data.subarray(start, start + blockSize);
    const count = block.readUInt16LE(8) / 12;
    for (let index = 0; index < count; index++) {
      const nameAt = block.readUInt16LE(index * 12 + 8);
      const end = index + 1 < count ? block.readUInt16LE(index * 12 + 20) : block.length;
      const name = block.toString("utf8", nameAt, end).replace(/\0.*$/s, "");
      if (name === "." || name === "..") continue;
      if (name === "" || name.includes("/")) throw new BuildError(`EROFS: an entry is named ${JSON.stringify(name)}`);
      yield { name, node: Number(block.readBigUInt64LE(index * 12)) };
    }
  }
}

function slice(bytes: Buffer, start: number, size: number): Buffer {
  if (size === 0) return Buffer.alloc(0); // where it would be is not said then
  if (start + size > bytes.length) throw new BuildError("EROFS: data past the end of the file");
  return bytes.subarray(start, start + size);
}
