import { open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { print } from "./print.ts";

const LOOK_EVERY_MS = 100;
const CHUNK_BYTES = 64 * 1024;

/** Prints a file, and what is added to it until `ended` is true, even if it is removed meanwhile. Rejects where it can't be read. */
export async function followFile(path: string, ended: () => boolean, signal: AbortSignal): Promise<void> {
  await using file = await open(path);
  for (;;) {
    // Asked before the file is read: all was written by then.
    const last = ended() || signal.aborted;
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      await print(buffer.subarray(0, bytesRead));
    }
    if (last) return;
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
