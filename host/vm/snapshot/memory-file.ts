import { readlinkSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { namesIn } from "../../../lib/names-in.ts";
import { MachineError } from "../machine-error.ts";

/** First byte and length of a part of the memory that isn't zero. */
export type Extent = readonly [offset: number, bytes: number];

/** Bytes of which one that isn't zero makes all of them part of an extent. */
const BLOCK = 1 << 16;
const CHUNK = 1 << 20;
/** Chunks that are copied at the same time. */
const COPIES = 2;

/** Returns the path of the memory of a QEMU process, which it has as an unnamed file; undefined if it has none, or not yet. */
export function findMemory(pid: number): string | undefined {
  const folder = `/proc/${pid}/fd`;
  const found = namesIn(folder).find((fd) => linkOf(`${folder}/${fd}`).startsWith("/memfd:memory-backend-memfd"));
  return found === undefined ? undefined : `${folder}/${found}`;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

/** Copies memory into an empty file, which gets holes for zeros, and returns the parts that it wrote. */
export async function copyMemory(
  from: FileHandle,
  to: FileHandle,
  bytes: number,
  signal?: AbortSignal,
): Promise<readonly Extent[]> {
  const extents: [number, number][] = [];
  const buffer = Buffer.allocUnsafe(CHUNK);
  await to.truncate(bytes);
  for (let offset = 0; offset < bytes; offset += CHUNK) {
    signal?.throwIfAborted();
    const chunk = await readAll(from, buffer.subarray(0, Math.min(CHUNK, bytes - offset)), offset);
    for (const [at, length] of partsOf(chunk)) {
      await writeAll(to, chunk.subarray(at, at + length), offset + at);
      const last = extents.at(-1);
      if (last !== undefined && last[0] + last[1] === offset + at) last[1] += length;
      else extents.push([offset + at, length]);
    }
  }
  return extents;
}

/** Copies the parts of a memory file into the empty memory of a QEMU process. */
export async function fillMemory(from: FileHandle, to: FileHandle, extents: readonly Extent[]): Promise<void> {
  const chunks = chunksOf(extents);
  const copy = async () => {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (const [offset, length] of chunks)
      await writeAll(to, await readAll(from, buffer.subarray(0, length), offset), offset);
  };
  await Promise.all(Array.from({ length: COPIES }, copy));
}

/** Yields the parts, none longer than a chunk. */
function* chunksOf(extents: readonly Extent[]): Generator<Extent> {
  for (const [offset, length] of extents)
    for (let done = 0; done < length; done += CHUNK) yield [offset + done, Math.min(CHUNK, length - done)];
}

const ZEROS = Buffer.alloc(BLOCK);

/** Returns the parts of a chunk that aren't zero. */
function partsOf(chunk: Buffer): Extent[] {
  const parts: [number, number][] = [];
  for (let at = 0; at < chunk.length; at += BLOCK) {
    const end = Math.min(at + BLOCK, chunk.length);
    if (chunk.compare(ZEROS, 0, end - at, at, end) === 0) continue;
    const last = parts.at(-1);
    if (last !== undefined && last[0] + last[1] === at) last[1] += end - at;
    else parts.push([at, end - at]);
  }
  return parts;
}

async function readAll(file: FileHandle, into: Buffer, offset: number): Promise<Buffer> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, offset + done);
    if (bytesRead === 0) throw new MachineError(`memory file: it ends after ${offset + done} bytes`);
    done += bytesRead;
  }
  return into;
}

async function writeAll(file: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
}
