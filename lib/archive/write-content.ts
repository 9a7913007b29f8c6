import { writev, writevSync } from "node:fs";
import { promisify } from "node:util";
import type { Piece } from "./read-members.ts";

const writePieces = promisify(writev);

const SMALL = 16 * 1024;
/** Bytes that are collected for one write. */
const BATCH_BYTES = 256 * 1024;

/**
 * Writes a file's content and calls back with each offset that is reached, and the number of bytes written for it. Resolves
 * with the offset after the last byte. Writes what has arrived also if the rest doesn't follow.
 */
export async function writeContent(
  fd: number,
  from: number,
  content: AsyncIterable<Piece>,
  onWritten: (end: number, bytes: number) => void,
): Promise<number> {
  let [pieces, length, end]: [Uint8Array[], number, number] = [[], 0, from];
  const flush = async () => {
    const [batch, bytes] = [pieces, length];
    [pieces, length] = [[], 0];
    await writeAll(fd, batch, end - bytes, end);
    onWritten(end, bytes);
  };
  try {
    for await (const { offset, bytes } of content) {
      if (length > 0 && offset !== end) await flush();
      pieces.push(bytes);
      length += bytes.length;
      end = offset + bytes.length;
      if (length >= BATCH_BYTES) await flush();
    }
  } finally {
    if (length > 0) await flush();
  }
  return end;
}

/** Writes pieces from `start` to `end`, small ones at once, and others off the main thread. */
async function writeAll(fd: number, pieces: readonly Uint8Array[], start: number, end: number): Promise<void> {
  let left = pieces;
  for (let at = start; at < end; ) {
    const written = end - at <= SMALL ? writevSync(fd, left, at) : (await writePieces(fd, left, at)).bytesWritten;
    left = withoutFirst(left, written);
    at += written;
  }
}

function withoutFirst(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  return pieces.flatMap((piece) => {
    const dropped = Math.min(left, piece.length);
    left -= dropped;
    return dropped < piece.length ? [piece.subarray(dropped)] : [];
  });
}
