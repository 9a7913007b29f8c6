import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ChannelError,
  type Frame,
  FrameParser,
  frameHead,
  HEAD_BYTES,
  MAX_CONNECTIONS,
  MAX_PAYLOAD_BYTES,
} from "./frame.ts";

const connection = fc.nat(MAX_CONNECTIONS - 1);
const bytes = (least: number, most: number) =>
  fc.uint8Array({ minLength: least, maxLength: most }).map((part) => Buffer.from(part));
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constantFrom("opened", "end", "close"), connection, payload: bytes(0, 0) }),
  fc.record({ type: fc.constant("credit"), connection, payload: bytes(4, 4) }),
  fc.record({ type: fc.constant("data"), connection, payload: bytes(1, 300) }),
  fc.record({ type: fc.constant("data"), connection, payload: fc.constant(Buffer.alloc(MAX_PAYLOAD_BYTES, 7)) }),
  fc.record({ type: fc.constant("hello"), connection: fc.constant(0), payload: bytes(20, 20) }),
) as fc.Arbitrary<Frame>;

const encoded = ({ type, connection: id, payload }: Frame) =>
  Buffer.concat([frameHead(type, id, payload.length), payload]);

/** Splits bytes at the given places. */
function pieces(all: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (all.length + 1)).sort((a, b) => a - b), all.length];
  return cuts.slice(1).map((end, index) => all.subarray(cuts[index], end));
}

/** Returns the frames, and the error after them. */
function parse(parts: readonly Buffer[]): { frames: Frame[]; error: unknown } {
  const parser = new FrameParser();
  const frames: Frame[] = [];
  try {
    for (const part of parts) frames.push(...parser.push(part));
  } catch (error) {
    return { frames, error };
  }
  return { frames, error: undefined };
}

test("frames are the same however their bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat()), (frames, places) => {
      const { frames: found, error } = parse(pieces(Buffer.concat(frames.map(encoded)), places));
      expect(error).toBeUndefined();
      expect(found.map(encoded)).toEqual(frames.map(encoded));
    }),
    { numRuns: 200 },
  );
});

test("arbitrary bytes are frames or one error of this protocol", () => {
  const head = fc
    .tuple(fc.nat(10), fc.nat(1), bytes(0, 40))
    .map(([type, zero, rest]) => Buffer.concat([Buffer.of(type, zero), rest]));
  fc.assert(
    fc.property(fc.array(head, { maxLength: 6 }), fc.array(fc.nat()), (parts, places) => {
      const { error } = parse(pieces(Buffer.concat(parts), places));
      if (error !== undefined) expect(error).toBeInstanceOf(ChannelError);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["a type that only the host sends", frameHead("open", 0, 4), "type 3"],
  ["a type that doesn't exist", Buffer.of(9, 0, 0, 0, 0, 0, 0, 0), "type 9"],
  ["a second byte", Buffer.of(7, 1, 0, 0, 0, 0, 0, 0), "second byte"],
  ["a connection beyond the last", frameHead("end", MAX_CONNECTIONS, 0), `connection ${MAX_CONNECTIONS}`],
  ["data that is too long", frameHead("data", 0, MAX_PAYLOAD_BYTES + 1), `${MAX_PAYLOAD_BYTES + 1} bytes`],
  ["data without bytes", frameHead("data", 0, 0), "0 bytes"],
  ["an end with a payload", frameHead("end", 0, 1), "1 bytes"],
  ["a short credit", frameHead("credit", 0, 3), "3 bytes"],
])("refuses %s as soon as its head is there", (_, head, message) => {
  expect(head).toHaveLength(HEAD_BYTES);
  expect(() => new FrameParser().push(head)).toThrow(message);
});
