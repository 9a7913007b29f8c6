import { open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { print } from "./print.ts";

const POLL_MS = 100;
const CHUNK_BYTES = 64 * 1024;

/**
 * Prints a file and everything appended to it until `ended` returns true, even if the file is removed meanwhile.
 * Rejects if the file can't be read.
 */
export async function followFile(path: string, ended: () => boolean, signal: AbortSignal): Promise<void> {
  await using file = await open(path);
  for (;;) {
    // Check before reading: everything had been written by then.
    const last = ended() || signal.aborted;
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      await print(buffer.subarray(0, bytesRead));
    }
    if (last) return;
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
