import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeHeader, type Frame, FrameParser, MAX_BODY_BYTES, type OversizeFrame } from "./ttrpc-frame.ts";

const frame = fc.record({
  streamId: fc.nat({ max: 0xffffffff }),
  type: fc.nat({ max: 255 }),
  flags: fc.nat({ max: 255 }),
  body: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

function encode(frames: readonly Omit<Frame, "kind" | "isView">[]): Buffer {
  return Buffer.concat(frames.flatMap((each) => [encodeHeader(each.body.length, each), each.body]));
}

function parse(bytes: Buffer, cuts: readonly number[]): (Frame | OversizeFrame)[] {
  const parser = new FrameParser();
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.flatMap((end, index) => parser.push(bytes.subarray(ends[index - 1] ?? 0, end)));
}

describe("FrameParser", () => {
  test("returns the frames written, however the bytes are split", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 30 }), (frames, cuts) => {
        expect(parse(encode(frames), cuts)).toEqual(
          frames.map((each) => ({ kind: "frame", ...each, isView: expect.any(Boolean) })),
        );
      }),
    );
  });

  test("accepts any bytes without throwing, and returns the same for any split", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 30 }), (raw, cuts) => {
        const bytes = Buffer.from(raw);
        expect(parse(bytes, cuts)).toEqual(parse(bytes, []));
      }),
    );
  });

  test("accepts a stream one byte at a time", () => {
    const bytes = encode([{ streamId: 1, type: 1, flags: 0, body: Buffer.from("abc") }]);
    const cuts = Array.from(bytes, (_, index) => index);
    expect(parse(bytes, cuts)).toMatchObject([{ streamId: 1, body: Buffer.from("abc") }]);
  });

  test("discards a body over the limit and continues with the next frame", () => {
    const parser = new FrameParser();
    const length = MAX_BODY_BYTES + 1;
    const piece = Buffer.alloc(1 << 20);
    expect(parser.push(encodeHeader(length, { streamId: 5, type: 1, flags: 2 }))).toEqual([]);
    for (let sent = 0; sent < MAX_BODY_BYTES; sent += piece.length) expect(parser.push(piece)).toEqual([]);
    const last = Buffer.concat([Buffer.alloc(1), encode([{ streamId: 7, type: 1, flags: 0, body: Buffer.from("x") }])]);
    expect(parser.push(last)).toEqual([
      { kind: "oversize", streamId: 5, type: 1, flags: 2, length },
      { kind: "frame", streamId: 7, type: 1, flags: 0, body: Buffer.from("x"), isView: true },
    ]);
  });

  test("reports a body over the limit once, as soon as its header has arrived, if requested", () => {
    const parser = new FrameParser(undefined, true);
    const length = MAX_BODY_BYTES + 1;
    const header = encodeHeader(length, { streamId: 5, type: 2, flags: 0 });
    expect(parser.push(header.subarray(0, 9))).toEqual([]);
    expect(parser.push(header.subarray(9))).toEqual([{ kind: "oversize", streamId: 5, type: 2, flags: 0, length }]);
    const body = Buffer.alloc(length);
    const next = encode([{ streamId: 7, type: 2, flags: 0, body: Buffer.from("x") }]);
    expect(parser.push(Buffer.concat([body, next]))).toMatchObject([{ kind: "frame", streamId: 7 }]);
  });

  test("tells whether a body is a view of the chunk", () => {
    const bytes = encode([{ streamId: 1, type: 1, flags: 0, body: Buffer.from("abcdef") }]);
    const [view] = parse(bytes, []);
    const [own] = parse(bytes, [12]);
    expect([view, own]).toMatchObject([{ isView: true }, { isView: false }]);
    bytes.fill(0);
    expect(own).toMatchObject({ body: Buffer.from("abcdef") });
  });

  test("accepts a body of exactly the limit", () => {
    const body = Buffer.alloc(MAX_BODY_BYTES, 7);
    const [only, ...more] = parse(encode([{ streamId: 1, type: 2, flags: 0, body }]), [100, 2000, 3_000_000]);
    expect(more).toEqual([]);
    expect(only?.kind === "frame" && only.body.equals(body)).toBe(true);
  });

  test("takes no memory for a body that is only announced", () => {
    const before = process.memoryUsage().arrayBuffers;
    const parsers = Array.from({ length: 200 }, () => {
      const parser = new FrameParser();
      parser.push(encodeHeader(MAX_BODY_BYTES, { streamId: 1, type: 1, flags: 0 }));
      parser.push(Buffer.from("some"));
      return parser;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    expect(parsers.every((parser) => !parser.idle)).toBe(true);
  });

  test("is idle only between frames", () => {
    const parser = new FrameParser();
    expect(parser.idle).toBe(true);
    const bytes = encode([{ streamId: 1, type: 1, flags: 0, body: Buffer.from("abc") }]);
    parser.push(bytes.subarray(0, 4));
    expect(parser.idle).toBe(false);
    parser.push(bytes.subarray(4, 12));
    expect(parser.idle).toBe(false);
    parser.push(bytes.subarray(12));
    expect(parser.idle).toBe(true);
  });
});
