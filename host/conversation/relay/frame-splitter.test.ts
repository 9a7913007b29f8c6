import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeHeader } from "../../../proto/ttrpc-frame.ts";
import { FrameSplitter } from "./frame-splitter.ts";

function frame(streamId: number, body: Uint8Array): Buffer {
  return Buffer.concat([encodeHeader(body.length, { streamId, type: 1, flags: 0 }), body]);
}

test("splits frames that arrive in any pieces, without losing a byte", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  fc.assert(
    fc.property(
      bodies,
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      fc.boolean(),
      (all, cuts, flushes) => {
        const frames = all.map((body, index) => frame(index, body));
        const wire = Buffer.concat(frames);
        const splitter = new FrameSplitter();
        const seen = [];
        for (let at = 0, cut = 0; at < wire.length; cut++) {
          const length = cuts[cut % cuts.length] ?? 1;
          seen.push(...splitter.push(wire.subarray(at, at + length)));
          if (flushes) seen.push(...splitter.flush());
          at += length;
        }
        expect(Buffer.concat(seen.map(({ bytes }) => bytes))).toEqual(wire);
        expect(seen.filter(({ last }) => last)).toHaveLength(frames.length);
        if (!flushes) expect(seen.map(({ kind, bytes }) => [kind, bytes])).toEqual(frames.map((one) => ["frame", one]));
        expect(splitter.holds).toBe(false);
      },
    ),
  );
});

test("passes a frame of over 4 MiB on in pieces, and the next one whole", () => {
  const splitter = new FrameSplitter();
  const large = frame(1, Buffer.alloc((4 << 20) + 1));
  const [first, ...others] = splitter.push(large.subarray(0, 1000));
  expect([first?.kind, first?.bytes.length, others.length, splitter.holds]).toEqual(["piece", 1000, 0, false]);
  const rest = splitter.push(Buffer.concat([large.subarray(1000), frame(3, Buffer.from("x"))]));
  expect(rest.map(({ kind, last }) => [kind, last])).toEqual([
    ["piece", true],
    ["frame", true],
  ]);
});
