import fc from "fast-check";
import { expect, test } from "vitest";
import { percent, shortSize, sumKnown } from "./short-text.ts";

test("sizes have at most five characters, shares at most five", () => {
  expect([0, 999, 1000, 1536, 1 << 20, 12.5 * 2 ** 30, undefined].map(shortSize)).toEqual([
    "0",
    "999",
    "1.0K",
    "1.5K",
    "1.0M",
    "13G",
    "-",
  ]);
  expect([0, 0.256, 0.9999, 1, 2, undefined].map(percent)).toEqual(["0.0", "25.6", "100", "100", "200", "-"]);
  fc.assert(fc.property(fc.double({ min: 0, max: 2 ** 49, noNaN: true }), (bytes) => shortSize(bytes).length <= 5));
});

test("a sum leaves out what is unknown", () => {
  expect([sumKnown(1, undefined, 2), sumKnown(undefined)]).toEqual([3, undefined]);
});
