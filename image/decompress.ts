import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { unzstd } from "./unzstd.ts";

/**
 * Decompresses a stream that is gzip, zstd or neither. Decides by its first bytes, because media types are not always
 * right.
 */
export async function decompress(source: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  while (length < 4) {
    const { value, done } = await iterator.next();
    if (done) break;
    head.push(value);
    length += value.length;
  }
  const whole = joined(head, iterator);
  const compression = compressionOf(Buffer.concat(head));
  if (compression === "none") return whole;
  return compression === "gzip" ? through(whole, createGunzip()) : unzstd(whole);
}

/** Detects the compression from the first four bytes of a stream. A zstd stream can start with a skippable frame. */
export function compressionOf(head: Uint8Array): "gzip" | "zstd" | "none" {
  const magic = Buffer.from(head.subarray(0, 4)).toString("hex");
  if (magic.startsWith("1f8b")) return "gzip";
  return magic === "28b52ffd" || /^5.2a4d18$/.test(magic) ? "zstd" : "none";
}

async function* joined(head: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* head;
  yield* { [Symbol.asyncIterator]: () => rest };
}

function through(source: AsyncIterable<Uint8Array>, transform: NodeJS.ReadWriteStream): AsyncIterable<Uint8Array> {
  // An error on either side destroys the transform and so reaches the reader.
  pipeline(Readable.from(source), transform, () => {});
  return transform as unknown as AsyncIterable<Uint8Array>;
}
