import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { print } from "./print.ts";

const POLL_MS = 100;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 10;

/**
 * Prints a file, or its last lines, and everything appended to it until `ended` returns true, even if the file is removed meanwhile.
 * Rejects if the file can't be read.
 */
export async function followFile(
  path: string,
  ended: () => boolean,
  signal: AbortSignal,
  tail?: number,
): Promise<void> {
  await using file = await open(path);
  let at = tail === undefined ? 0 : await startOfLines(file, tail);
  for (;;) {
    // Check before reading: everything had been written by then.
    const last = ended() || signal.aborted;
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      await print(buffer.subarray(0, bytesRead));
    }
    if (last) return;
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Returns where the last `count` lines of a file begin. */
async function startOfLines(file: FileHandle, count: number): Promise<number> {
  const { size } = await file.stat();
  let left = count;
  for (let end = size; end > 0; end -= CHUNK_BYTES) {
    const start = Math.max(end - CHUNK_BYTES, 0);
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    // The newline at the very end belongs to the last line.
    for (let at = (end === size ? end - 1 : end) - start; left > 0; left--) {
      at = at <= 0 ? -1 : buffer.lastIndexOf(NEWLINE, at - 1);
      if (at < 0) break;
      if (left === 1) return start + at + 1;
    }
  }
  return 0;
}
