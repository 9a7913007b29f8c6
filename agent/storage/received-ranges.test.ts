import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeTrailer, encodeTrailer, type Range, TRAILER_BYTES, withRange } from "./received-ranges.ts";

const SIZE = 200;
const range = fc
  .tuple(fc.integer({ min: 0, max: SIZE }), fc.integer({ min: 0, max: 20 }))
  .map(([start, length]): Range => [start, Math.min(start + length, SIZE)]);

test("ranges are merged and sorted, and survive a trailer", () => {
  fc.assert(
    fc.property(fc.array(range), (received) => {
      let ranges: readonly Range[] = [];
      const there = new Set<number>();
      for (const one of received) {
        ranges = withRange(ranges, one) ?? [];
        for (let at = one[0]; at < one[1]; at++) there.add(at);
      }
      expect(ranges.flatMap(([start, end]) => Array.from({ length: end - start }, (_, at) => start + at))).toEqual(
        [...there].toSorted((a, b) => a - b),
      );
      expect(decodeTrailer(encodeTrailer(SIZE, ranges), SIZE)).toEqual(ranges);
    }),
  );
});

test("a trailer that doesn't match the file is rejected", () => {
  const words = (...given: number[]) => {
    const trailer = Buffer.alloc(TRAILER_BYTES);
    for (const [index, word] of given.entries()) trailer.writeDoubleLE(word, index * 8);
    return trailer;
  };
  expect(decodeTrailer(words(10, 1, 2, 4), 10)).toEqual([[2, 4]]);
  const bad = [
    [11, 0],
    [10, -1],
    [10, 0.5],
    [10, 300],
    [10, Number.NaN],
    [10, 1, 4, 4],
    [10, 1, -2, 4],
    [10, 2, 0, 4, 4, 5],
    [10, 1, 4, 11],
    [10, 1, 4, Number.POSITIVE_INFINITY],
  ];
  for (const one of bad) expect(decodeTrailer(words(...one), 10), String(one)).toBeUndefined();
  expect(decodeTrailer(words(10).subarray(1), 10)).toBeUndefined();
});
