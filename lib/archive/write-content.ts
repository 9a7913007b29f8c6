import type { Piece } from "./read-members.ts";
import type { TreeFiles } from "./tree-files.ts";

/** Bytes that are collected for one write. */
const BATCH_BYTES = 256 * 1024;

/**
 * Writes a file's content and calls back with each offset that is reached, and the number of bytes written for it. Resolves
 * with the offset after the last byte. Writes what has arrived also if the rest doesn't follow.
 */
export async function writeContent(
  files: TreeFiles,
  fd: number,
  from: number,
  content: AsyncIterable<Piece>,
  onWritten: (end: number, bytes: number) => void,
): Promise<number> {
  let [pieces, length, end]: [Uint8Array[], number, number] = [[], 0, from];
  const flush = async () => {
    const [batch, bytes] = [pieces, length];
    [pieces, length] = [[], 0];
    await writeAll(files, fd, batch, end - bytes, end);
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

/** Writes pieces from `start` to `end`. */
async function writeAll(files: TreeFiles, fd: number, pieces: readonly Uint8Array[], start: number, end: number) {
  let left = pieces;
  for (let at = start; at < end; ) {
    const written = await files.write(fd, left, at);
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
