import fc from "fast-check";
import { expect, test } from "vitest";
import { SentData } from "./sent-data.ts";

const frame = (type: number, stream: number, length: number) => {
  const bytes = Buffer.alloc(9 + length);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  bytes.writeUInt32BE(stream, 5);
  return bytes;
};

test("the content of DATA frames is counted by stream, however the bytes are split", () => {
  const frames = fc.array(fc.tuple(fc.nat(3), fc.nat(4), fc.nat(50)), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 20 }), (all, cuts) => {
      const expected = new Map<number, number>();
      for (const [type, stream, length] of all) {
        if (type === 0 && length > 0) expected.set(stream, (expected.get(stream) ?? 0) + length);
      }
      const counted = new Map<number, number>();
      const sent = new SentData((stream, count) => counted.set(stream, (counted.get(stream) ?? 0) + count));
      let bytes = Buffer.concat(all.map(([type, stream, length]) => frame(type, stream, length)));
      for (const cut of cuts) {
        sent.take(bytes.subarray(0, cut));
        bytes = bytes.subarray(cut);
      }
      sent.take(bytes);
      expect(counted).toEqual(expected);
    }),
  );
});

test("bytes count as soon as they are sent, before the frame is complete", () => {
  const counts: number[][] = [];
  const sent = new SentData((...count) => counts.push(count));
  sent.take(frame(0, 7, 20).subarray(0, 14));
  expect(counts).toEqual([[7, 5]]);
});
