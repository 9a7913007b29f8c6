import fc from "fast-check";
import { expect, test } from "vitest";
import { memoryBounds } from "./memory-bounds.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

test.each([
  [92 * MIB, 46, 40.25],
  [217 * MIB, 130.21875, 113.94140625],
  [469 * MIB, 374.34375, 327.55078125],
  [2 * GIB, 1904, 1840],
  [64 * GIB, 63_408, 63_344],
])("a guest with %i bytes gives all containers %f MiB, and one without a limit %f MiB", (total, all, one) => {
  expect(memoryBounds(total)).toEqual({ all: all * MIB, one: one * MIB });
});

test("what is reserved for core dumps is not the containers', but they have at least half of the memory", () => {
  expect(memoryBounds(2 * GIB, 256 * MIB)).toEqual({ all: 1648 * MIB, one: 1584 * MIB });
  expect(memoryBounds(256 * MIB, 64 * MIB).all).toBe(128 * MIB);
});

test("a guest of any size reserves at most half, and one container leaves memory for others", () => {
  fc.assert(
    fc.property(fc.integer({ min: 32 * MIB, max: 2 ** 50 }), (total) => {
      const { all, one } = memoryBounds(total);
      expect(all).toBeGreaterThanOrEqual(Math.floor(total / 2 / 4096) * 4096);
      expect(all).toBeLessThan(total);
      expect(one).toBeLessThan(all);
      expect([all % 4096, one % 4096]).toEqual([0, 0]);
    }),
  );
});
