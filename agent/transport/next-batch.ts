import { WRITE_BYTES } from "../kernel/journal/journal-layout.ts";

/** Most bytes combined into one write, unless the first item alone is longer. */
export const BATCH_BYTES = WRITE_BYTES;

/** Returns as many of the first items as fit one write, at least one. */
export function nextBatch<T>(waiting: readonly T[], bytesOf: (it: T) => Uint8Array): readonly T[] {
  let bytes = 0;
  const end = waiting.findIndex((it) => {
    bytes += bytesOf(it).length;
    return bytes > BATCH_BYTES;
  });
  return waiting.slice(0, end < 0 ? undefined : Math.max(end, 1));
}
