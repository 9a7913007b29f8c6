import type { TreeStat } from "../../../lib/archive/tree-files.ts";

/** Calls of a file server by their codes: FILE_CALLS of agent/native/init/files/protocol.h, in its order. */
const CALLS = [
  ...["open", "create", "close", "stat", "statfs", "list", "readlink", "read", "write", "seek", "truncate", "chown"],
  ...["chmod", "utimens", "listxattr", "getxattr", "setxattr", "mkdir", "symlink", "link", "rename", "unlink"],
  ...["bind", "connect", "terminal", "mount", "path", "adopt", "load", "empty", "place", "take"],
] as const;

/** FILE_LINKED. */
const LINKED = 0x8000_0000;
const REQUEST_BYTES = 88;
export const ANSWER_BYTES = 24;
/** Most bytes of content in one request or answer, and handles of one server. */
export const FILE_DATA = 64 * 1024;
export const FILE_HANDLES = 4096;
/** Longest path, with its zero byte. */
export const PATH_MAX = 4096;
/** Most bytes of a message of requests, and of one of answers. */
export const REQUESTS_BYTES = 96 + PATH_MAX + FILE_DATA;
export const ANSWERS_BYTES = FILE_DATA + ANSWER_BYTES + FILE_DATA;
/** Most bytes of a file that is placed in one request, and of one that is taken. */
export const PLACED_BYTES = FILE_DATA - PATH_MAX;
export const TAKEN_BYTES = 16 * 1024;

export type FileCall =
  | ("open" | "create" | "close" | "stat" | "statfs" | "list" | "readlink" | "read" | "write" | "seek" | "truncate")
  | ("chown" | "chmod" | "utimens" | "listxattr" | "getxattr" | "setxattr" | "mkdir" | "symlink" | "link" | "rename")
  | ("unlink" | "bind" | "connect" | "terminal" | "mount" | "path" | "adopt" | "load" | "empty" | "place" | "take");

export interface FileRequest {
  readonly call: FileCall;
  readonly handle: number;
  readonly other?: number;
  readonly name?: Uint8Array;
  /** Name before the data: "place" has two. */
  readonly newName?: Uint8Array;
  readonly data?: Uint8Array;
  readonly numbers?: readonly (number | bigint)[];
  /** Fails with ECANCELED if the call before it failed. */
  readonly linked?: boolean;
}

export interface FileAnswer {
  readonly id: number;
  /** 0 or -errno. */
  readonly error: number;
  readonly value: number;
  /** Valid until the next message is received. */
  readonly data: Buffer;
}

export function encodeRequest(id: number, request: FileRequest): Buffer {
  const { call, handle, other = 0, name = EMPTY, newName, data = EMPTY, numbers = [], linked = false } = request;
  const nameEnd = REQUEST_BYTES + name.length;
  const dataStart = newName === undefined ? nameEnd : nameEnd + newName.length + 1;
  const bytes = Buffer.allocUnsafe(dataStart + data.length);
  bytes.fill(0, 0, REQUEST_BYTES);
  bytes.writeUInt32LE(CALLS.indexOf(call) + 1 + (linked ? LINKED : 0), 0);
  bytes.writeUInt32LE(id, 4);
  bytes.writeUInt32LE(handle, 8);
  bytes.writeUInt32LE(other, 12);
  for (const [index, number] of numbers.entries()) writeNumber(bytes, 16 + 8 * index, number);
  bytes.writeUInt32LE(name.length, REQUEST_BYTES - 8);
  bytes.writeUInt32LE(bytes.length - nameEnd, REQUEST_BYTES - 4);
  bytes.set(name, REQUEST_BYTES);
  if (newName !== undefined) {
    bytes.set(newName, nameEnd);
    bytes[dataStart - 1] = 0;
  }
  bytes.set(data, dataStart);
  return bytes;
}

/** Writes a number of 64 bits, which may be negative. */
function writeNumber(bytes: Buffer, at: number, number: number | bigint): void {
  if (typeof number === "bigint") bytes.writeBigUInt64LE(BigInt.asUintN(64, number), at);
  else {
    bytes.writeUInt32LE(number >>> 0, at);
    bytes.writeUInt32LE(Math.floor(number / 2 ** 32) >>> 0, at + 4);
  }
}

/** Decodes the answer at an offset of a server's message; undefined if it is too short. */
export function decodeAnswer(message: Buffer, at: number): FileAnswer | undefined {
  const start = at + ANSWER_BYTES;
  if (message.length < start) return undefined;
  const end = start + message.readUInt32LE(at + 16);
  if (message.length < end) return undefined;
  return {
    id: message.readUInt32LE(at),
    error: message.readInt32LE(at + 4),
    value: Number(message.readBigInt64LE(at + 8)),
    data: message.subarray(start, end),
  };
}

/** Attributes of a file, with its mount. */
export interface FileAttributes extends TreeStat {
  /** Id of the mount that the file was found in. */
  readonly mount: bigint;
}

/** Size of `struct file_attributes`. */
export const ATTRIBUTES_BYTES = 96;

/** Decodes `struct file_attributes`. Throws RangeError if it is truncated. */
export function decodeAttributes(data: Buffer): FileAttributes {
  const u64 = (at: number) => data.readBigUInt64LE(at);
  const u32 = (at: number) => BigInt(data.readUInt32LE(at));
  const time = (seconds: number, nanoseconds: number) =>
    data.readBigInt64LE(seconds) * 1_000_000_000n + BigInt(data.readUInt32LE(nanoseconds));
  return {
    ...{ dev: u64(0), ino: u64(8), size: u64(16), blocks: u64(24), mount: u64(32) },
    ...{ mode: u32(40), nlink: u32(44), uid: u32(48), gid: u32(52) },
    ...{ atimeNs: time(56, 80), mtimeNs: time(64, 84), ctimeNs: time(72, 88) },
  };
}

/** Sizes of a file system in blocks, and its magic number. */
export interface FileSystem {
  readonly type: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly filesFree: number;
}

/** Decodes `struct file_system`. Throws RangeError if it is truncated. */
export function decodeFileSystem(data: Buffer): FileSystem {
  const at = (index: number) => Number(data.readBigUInt64LE(8 * index));
  return {
    ...{ type: at(0), blockBytes: at(1), blocks: at(2), free: at(3) },
    ...{ available: at(4), files: at(5), filesFree: at(6) },
  };
}

const NAME_AT = 19;

/** Decodes records of getdents64(2): the names of a directory, without "." and "..". Throws RangeError for other bytes. */
export function decodeNames(data: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const length = data.readUInt16LE(at + 16);
    const record = data.subarray(at, at + length);
    const end = record.indexOf(0, NAME_AT);
    if (length <= NAME_AT || record.length < length || end < 0) throw new RangeError("not records of a directory");
    const name = record.subarray(NAME_AT, end);
    if (!(name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT)))) names.push(name);
    at += length;
  }
  return names;
}

/** Encodes types of file systems, as `load` takes them. */
export function encodeTypes(types: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * types.length);
  for (const [index, type] of types.entries()) bytes.writeUInt32LE(type, 4 * index);
  return bytes;
}

const DOT = 0x2e;
const EMPTY = new Uint8Array(0);
