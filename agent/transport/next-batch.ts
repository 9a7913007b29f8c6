import { WRITE_BYTES } from "../kernel/journal/journal-layout.ts";

/** What is put together for one write, unless the first alone is longer. */
export const BATCH_BYTES = WRITE_BYTES;

/** The first of those that wait, as many as one write takes at most. */
export function nextBatch<T>(waiting: readonly T[], bytesOf: (it: T) => Uint8Array): readonly T[] {
  let bytes = 0;
  const end = waiting.findIndex((it) => {
    bytes += bytesOf(it).length;
    return bytes > BATCH_BYTES;
  });
  return waiting.slice(0, end < 0 ? undefined : Math.max(end, 1));
}
