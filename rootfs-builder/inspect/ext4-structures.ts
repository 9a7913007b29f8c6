import { BuildError } from "../build-error.ts";
import { typeOf } from "../tree/entry-type.ts";
import type { TreeEntry } from "../tree/tree.ts";

/** Of the inode's flags: not what it seems without a key, or without its extended attributes. */
const ENCRYPTED = 0x800;
const INLINE_DATA = 0x1000_0000;
/** The part of an inode that all have, and the part of it for block numbers or a short target. */
const INODE = 128;
const BLOCKS = 40;
const BLOCKS_END = 100;

export interface Ext4Inode {
  readonly type: TreeEntry["type"];
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Of a symlink whose target is in the inode itself. */
  readonly target: Buffer | undefined;
}

/** Inodes by number, of what debugfs prints for `inode_dump <number>`: offsets in octal, bytes in hexadecimal. */
export function ext4Inodes(output: string): ReadonlyMap<number, Ext4Inode> {
  const inodes = new Map<number, Ext4Inode>();
  for (const part of output.split("debugfs: inode_dump <").slice(1)) {
    const number = Number.parseInt(part, 10);
    inodes.set(number, inodeOf(number, dumped(part)));
  }
  return inodes;
}

/** A line with "*" stands for more of the line before. */
function dumped(text: string): Buffer {
  const bytes = Buffer.alloc(INODE);
  let before: Buffer = Buffer.alloc(0);
  let end = 0;
  for (const [, offset = "", digits = ""] of text.matchAll(/^([0-7]{4,}) {2}((?:[0-9a-f]{4} ){8})/gm)) {
    const at = Number.parseInt(offset, 8);
    for (; before.length > 0 && end < at; end += before.length) before.copy(bytes, end);
    before = Buffer.from(digits.replaceAll(" ", ""), "hex");
    before.copy(bytes, at);
    end = at + before.length;
  }
  if (end < INODE) throw new BuildError("debugfs does not tell a whole inode");
  return bytes;
}

function inodeOf(number: number, bytes: Buffer): Ext4Inode {
  const mode = bytes.readUInt16LE(0);
  const type = typeOf(mode);
  if (type === undefined) throw new BuildError(`ext4: inode ${number} is a device, a pipe or a socket`);
  const flags = bytes.readUInt32LE(32);
  if ((flags & ENCRYPTED) !== 0) throw new BuildError(`ext4: inode ${number} is encrypted`);
  const inline = (flags & INLINE_DATA) !== 0;
  if (inline && type === "directory") throw new BuildError(`ext4: directory of inode ${number} has inline data`);
  const size = bytes.readUInt32LE(4) + bytes.readUInt32LE(108) * 2 ** 32;
  const noBlocks = bytes.readUInt32LE(28) === 0 || bytes.readUInt32LE(104) !== 0; // those of its attributes count
  const short = type === "symlink" && !inline && noBlocks && size < BLOCKS_END - BLOCKS;
  return {
    type,
    mode: mode & 0o7777,
    uid: bytes.readUInt16LE(2) + bytes.readUInt16LE(120) * 65_536,
    gid: bytes.readUInt16LE(24) + bytes.readUInt16LE(122) * 65_536,
    size,
    target: short ? bytes.subarray(BLOCKS, BLOCKS + size) : undefined,
  };
}

/** Records of a directory: inode, length of the record, length of the name, type, name. None goes over a block's end. */
export function* ext4Names(bytes: Buffer, blockSize: number): Generator<{ name: string; inode: number }> {
  for (let at = 0; at < bytes.length; ) {
    const [inode, length, nameLength] = [bytes.readUInt32LE(at), bytes.readUInt16LE(at + 4), bytes.readUInt8(at + 6)];
    if (length < 8 || (at % blockSize) + length > blockSize || nameLength + 8 > length) {
      throw new BuildError(`ext4: a record of ${length} bytes at ${at} of a directory`);
    }
    const name = bytes.toString("utf8", at + 8, at + 8 + nameLength);
    at += length;
    if (inode === 0 || name === "." || name === "..") continue;
    yield { name, inode };
  }
}
