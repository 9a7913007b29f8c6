import { randomBytes } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { unzstd, windowLog } from "./unzstd.ts";

async function all(chunks: Iterable<Uint8Array>, largest?: number): Promise<Buffer> {
  async function* source() {
    yield* chunks;
  }
  const out: Uint8Array[] = [];
  for await (const chunk of unzstd(source(), largest)) out.push(chunk);
  return Buffer.concat(out);
}

/** A skippable frame. */
const SKIPPED = Buffer.concat([Buffer.from("502a4d1804000000", "hex"), Buffer.from("skip")]);

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

test("decompresses consecutive frames, however they are cut into chunks", async () => {
  const content = fc.uint8Array({ maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 4 }), fc.array(fc.nat()), async (parts, at) => {
      const frames = parts.flatMap((part) => [zstdCompressSync(part), SKIPPED]);
      expect(await all(cut(Buffer.concat(frames), at))).toEqual(Buffer.concat(parts));
      expect(await all(frames)).toEqual(Buffer.concat(parts));
    }),
    { numRuns: 200 },
  );
});

test("decompresses large frames completely for a slow reader", async () => {
  const parts = [randomBytes(3 << 20), Buffer.alloc(20 << 20, "x"), randomBytes(100_000)];
  const frames = Buffer.concat(parts.map((part) => zstdCompressSync(part)));
  expect((await all(cut(frames, [65_536, 131_072, 1_000_000]))).equals(Buffer.concat(parts))).toBe(true);
});

test("refuses truncated and damaged input", async () => {
  const frame = zstdCompressSync(randomBytes(10_000));
  await expect(all([frame.subarray(0, 5000)])).rejects.toThrow(/unexpected end/);
  await expect(all([frame, Buffer.from("garbage garbage")])).rejects.toThrow();
  const damaged = Buffer.from(frame);
  damaged.fill(0xff, 4, 40);
  await expect(all([damaged])).rejects.toThrow();
});

test("refuses a frame whose window is larger than the limit", async () => {
  const content = Buffer.alloc(20 << 20, "x");
  const frame = (log: number) => zstdCompressSync(content, { params: { [constants.ZSTD_c_windowLog]: log } });
  expect((await all([frame(23)], 23)).equals(content)).toBe(true);
  await expect(all([frame(24)], 23)).rejects.toThrow(/too much memory/);
  expect((await all([frame(24)], 24)).equals(content)).toBe(true);
});

test.each([
  [64, 23],
  [128, 23],
  [256, 24],
  [1024, 26],
  [1 << 20, 27],
])("limits windows on a machine of %i MiB to 2^%i bytes", (mib, log) => {
  expect(windowLog(mib * 2 ** 20)).toBe(log);
});

test("closes the source if the reader stops", async () => {
  let closed = false;
  async function* source() {
    try {
      for (;;) yield zstdCompressSync(randomBytes(1000));
    } finally {
      closed = true;
    }
  }
  for await (const chunk of unzstd(source())) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  expect(closed).toBe(true);
});

test("leaves no listeners behind for a frame of many chunks", async () => {
  const frame = zstdCompressSync(randomBytes(30_000));
  async function* source() {
    for (let at = 0; at < frame.length; at += 1000) yield frame.subarray(at, at + 1000);
  }
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on("warning", listen);
  let length = 0;
  for await (const chunk of unzstd(source())) length += chunk.length;
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  expect([length, warnings]).toEqual([30_000, []]);
});
