import { BLOCK } from "./disk-file.ts";
import type { TreeNode } from "./tree-node.ts";

/** Bytes of an inode in its extended form, which has 32 bits for owners and a time of its own. */
export const INODE = 64;
/** Where the body of an inode is (Documentation/filesystems/erofs.rst of the kernel). */
const PLAIN = 0;
const INLINE = 2;

const TYPES = { directory: 0o04, file: 0o10, symlink: 0o12, p: 0o01, c: 0o02, b: 0o06 } as const;
/** Types in directories. */
export const ENTRY_TYPES = { file: 1, directory: 2, c: 3, b: 4, p: 5, symlink: 7 } as const;

const CLASSES = { "user.": 1, "security.": 6 } as const;

/** Numbers and places of an inode, beside its node. */
export interface InodePlace {
  readonly number: number;
  readonly links: number;
  readonly xattrs: Buffer;
  /** Bytes of the body: content, target or directory. */
  readonly size: number;
  /** First block of the body; undefined if it follows the inode. */
  readonly block: number | undefined;
}

/** Returns an inode without its attributes. */
export function inodeBytes(node: TreeNode, { number, links, xattrs, size, block }: InodePlace): Buffer {
  const { mode, uid, gid, mtime } = node.meta;
  const bytes = Buffer.alloc(INODE);
  const layout = block === undefined && size > 0 ? INLINE : PLAIN;
  bytes.writeUInt16LE(1 | (layout << 1), 0);
  bytes.writeUInt16LE(xattrs.length === 0 ? 0 : (xattrs.length - 12) / 4 + 1, 2);
  bytes.writeUInt16LE((TYPES[node.kind] << 12) | mode, 4);
  bytes.writeBigUInt64LE(BigInt(size), 8);
  bytes.writeUInt32LE("major" in node ? deviceNumber(node) : (block ?? 0), 16);
  bytes.writeUInt32LE(number, 20);
  bytes.writeUInt32LE(uid, 24);
  bytes.writeUInt32LE(gid, 28);
  bytes.writeBigUInt64LE(BigInt(Math.floor(mtime)), 32);
  bytes.writeUInt32LE(Math.floor((mtime % 1) * 1e9), 40);
  bytes.writeUInt32LE(links, 44);
  return bytes;
}

/** Encodes numbers as the kernel's new_encode_dev: 12 bits of major, 20 of minor. */
function deviceNumber({ major, minor }: { readonly major: number; readonly minor: number }): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** Returns attributes from `keptXattrs` as they follow an inode; empty without any. */
export function xattrBytes(xattrs: ReadonlyMap<string, Uint8Array>): Buffer {
  if (xattrs.size === 0) return Buffer.alloc(0);
  return Buffer.concat([Buffer.alloc(12), ...Array.from(xattrs, ([name, value]) => xattrEntry(name, value))]);
}

function xattrEntry(name: string, value: Uint8Array): Buffer {
  const prefix = name.startsWith("user.") ? "user." : "security.";
  const rest = Buffer.from(name.slice(prefix.length));
  const bytes = Buffer.alloc(Math.ceil((4 + rest.length + value.length) / 4) * 4);
  bytes.writeUInt8(rest.length, 0);
  bytes.writeUInt8(CLASSES[prefix], 1);
  bytes.writeUInt16LE(value.length, 2);
  bytes.set(rest, 4);
  bytes.set(value, 4 + rest.length);
  return bytes;
}

/** True if a body can follow its inode at this offset: it may not cross a block. */
export function fitsInline(at: number, head: number, size: number): boolean {
  return (at % BLOCK) + head + size <= BLOCK;
}
