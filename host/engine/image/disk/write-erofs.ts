import { yieldToEventLoop } from "../../../../lib/yield-to-event-loop.ts";
import { BLOCK, type DiskFile } from "./disk-file.ts";
import { directoryBytes, directorySize } from "./erofs-directory.ts";
import { ENTRY_TYPES, fitsInline, INODE, inodeBytes, xattrBytes } from "./erofs-inode.ts";
import type { DirectoryNode, TreeNode } from "./tree-node.ts";

const SUPERBLOCK = 1024;
const MAGIC = 0xe0f5e1e2;
const BLOCK_BITS = 12;
/** Unit of inode numbers, in bytes. */
const SLOT = 32;

/** An inode with its place. */
interface Placed {
  readonly node: TreeNode;
  readonly parent: DirectoryNode;
  readonly xattrs: Buffer;
  /** Bytes of the body that is written with the inodes: a target or a directory. */
  readonly size: number;
  /** Offset from the first inode's block. */
  at: number;
  /** First block of a body that doesn't follow its inode. */
  block?: number;
  links: number;
}

/**
 * Writes the inodes and directories of a tree behind the content of its files, and the superblock before it: an EROFS
 * without compression. Equal trees in equal files give equal bytes.
 */
export async function writeErofs(root: DirectoryNode, disk: DiskFile): Promise<void> {
  await disk.endBlock();
  const metaBlock = disk.position / BLOCK;
  const placed = place(root, metaBlock);
  const yieldNow = yieldToEventLoop();
  const numberOf = (node: TreeNode) => (placed.get(node)?.at ?? 0) / SLOT;
  for (const each of placed.values()) {
    await yieldNow();
    const { node, xattrs, at, links } = each;
    await disk.fillTo(metaBlock * BLOCK + at);
    const size = node.kind === "file" ? node.size : each.size;
    const block = node.kind === "file" ? node.block : each.block;
    await disk.write(inodeBytes(node, { number: at / SLOT, links, xattrs, size, block }));
    await disk.write(xattrs);
    if (each.block === undefined) await disk.write(bodyOf(each, numberOf));
  }
  for (const each of placed.values()) {
    await yieldNow();
    await disk.endBlock();
    if (each.block !== undefined) await disk.write(bodyOf(each, numberOf));
  }
  await disk.endBlock();
  await disk.finish(
    superblock({ root: numberOf(root), inodes: placed.size, metaBlock, blocks: disk.position / BLOCK }),
  );
}

/** Gives each inode its place: all of a directory's after each other, so that listing reads few blocks. */
function place(root: DirectoryNode, metaBlock: number): ReadonlyMap<TreeNode, Placed> {
  const placed = new Map<TreeNode, Placed>();
  // Not at 0: programs skip directory entries with the inode number 0.
  let end = INODE;
  const add = (node: TreeNode, parent: DirectoryNode) => {
    const before = placed.get(node);
    if (before !== undefined) {
      before.links += 1;
      return;
    }
    const xattrs = xattrBytes(node.meta.xattrs);
    const size = bodySize(node);
    const head = INODE + xattrs.length;
    const inline = head + size <= BLOCK;
    const at = !inline || fitsInline(end, head, size) ? end : Math.ceil(end / BLOCK) * BLOCK;
    placed.set(node, {
      node,
      parent,
      xattrs,
      size,
      at,
      links: node.kind === "directory" ? 2 : 1,
      ...(inline ? {} : { block: 0 }),
    });
    end = Math.ceil((at + head + (inline ? size : 0)) / INODE) * INODE;
  };
  add(root, root);
  for (const { node } of placed.values()) {
    if (node.kind !== "directory") continue;
    for (const child of node.children.values()) add(child, node);
  }
  for (const { node, parent } of placed.values()) {
    if (node.kind !== "directory" || node === root) continue;
    const above = placed.get(parent);
    if (above !== undefined) above.links += 1;
  }
  let block = metaBlock + Math.ceil(end / BLOCK);
  for (const each of placed.values()) {
    if (each.block === undefined) continue;
    each.block = block;
    block += Math.ceil(each.size / BLOCK);
  }
  return placed;
}

function bodySize(node: TreeNode): number {
  if (node.kind === "symlink") return Buffer.byteLength(node.target);
  return node.kind === "directory" ? directorySize(entriesOf(node).map(([name]) => name)) : 0;
}

function bodyOf({ node, parent }: Placed, numberOf: (node: TreeNode) => number): Buffer {
  if (node.kind === "symlink") return Buffer.from(node.target);
  if (node.kind !== "directory") return Buffer.alloc(0);
  const entries = entriesOf(node, parent);
  return directoryBytes(entries.map(([name, each]) => ({ name, node: numberOf(each), type: ENTRY_TYPES[each.kind] })));
}

/** Returns the entries of a directory in the order of the bytes of their names, in which the kernel searches them. */
function entriesOf(directory: DirectoryNode, parent = directory): (readonly [Buffer, TreeNode])[] {
  const own = [[".", directory] as const, ["..", parent] as const, ...directory.children];
  return own.map(([name, node]) => [Buffer.from(name), node] as const).sort(([a], [b]) => a.compare(b));
}

interface Superblock {
  readonly root: number;
  readonly inodes: number;
  readonly metaBlock: number;
  readonly blocks: number;
}

/** Returns the first block of the file system. */
function superblock({ root, inodes, metaBlock, blocks }: Superblock): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  bytes.writeUInt32LE(MAGIC, SUPERBLOCK);
  bytes.writeUInt8(BLOCK_BITS, SUPERBLOCK + 12);
  bytes.writeUInt16LE(root, SUPERBLOCK + 14);
  bytes.writeBigUInt64LE(BigInt(inodes), SUPERBLOCK + 16);
  bytes.writeUInt32LE(blocks, SUPERBLOCK + 36);
  bytes.writeUInt32LE(metaBlock, SUPERBLOCK + 40);
  return bytes;
}
