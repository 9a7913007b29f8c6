import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseEviction, shouldAge } from "./choose-eviction.ts";
import type { MemcgNode } from "./lru-gen.ts";
import { defaultMemcg } from "./settings.ts";

/** A node with the oldest generation's pages and a number of generations. */
function node(anon: number, file: number, count = 4, ageMs = 0): MemcgNode {
  const generations = Array.from({ length: count }, (_, at) => ({
    seq: 7 + at,
    ageMs: ageMs + (count - 1 - at) * 1000,
    anon: at === 0 ? anon : 1,
    file: at === 0 ? file : 1,
  }));
  return { memcg: 12, path: "/pod/a", node: 0, generations };
}

const swap = { swap: true, swappinessMax: 50 };
const PLENTY = 100_000;

test("the oldest of four generations is cold, of three none is", () => {
  expect(chooseEviction(node(0, 10), defaultMemcg, 0)).toEqual({ seq: 7, swappiness: 0 });
  expect(chooseEviction(node(0, 10, 3), defaultMemcg, 0)).toBeUndefined();
  expect(chooseEviction({ ...node(0, 0), generations: [] }, defaultMemcg, 0)).toBeUndefined();
});

test("anonymous memory is evicted only with swap that has room", () => {
  expect(chooseEviction(node(10, 0), defaultMemcg, PLENTY)).toBeUndefined();
  expect(chooseEviction(node(10, 0), swap, 256)).toBeUndefined();
  expect(chooseEviction(node(10, 0), { ...swap, swappinessMax: 0 }, PLENTY)).toBeUndefined();
  expect(chooseEviction(node(10, 0), swap, PLENTY)).toEqual({ seq: 7, swappiness: 50 });
  expect(chooseEviction(node(10, 90), swap, PLENTY)).toEqual({ seq: 7, swappiness: 20 });
  expect(chooseEviction(node(10, 90), swap, 0)).toEqual({ seq: 7, swappiness: 0 });
});

test("swappiness never exceeds its limit, and there is always something to evict", () => {
  const count = fc.nat({ max: 1_000_000 });
  fc.assert(
    fc.property(count, count, fc.boolean(), fc.nat({ max: 200 }), count, (anon, file, swap, swappinessMax, room) => {
      const choice = chooseEviction(node(anon, file), { swap, swappinessMax }, room);
      if (choice === undefined) expect(file).toBe(0);
      expect(choice?.swappiness ?? 0).toBeLessThanOrEqual(swap && room > 256 ? swappinessMax : 0);
      expect(choice?.swappiness ?? 0).toBeGreaterThanOrEqual(0);
    }),
  );
});

test("a new generation is due after a minute, or after half a period if that is shorter", () => {
  expect(shouldAge(node(0, 1, 4, 59_999), defaultMemcg)).toBe(false);
  expect(shouldAge(node(0, 1, 4, 60_000), defaultMemcg)).toBe(true);
  expect(shouldAge(node(0, 1, 4, 499), { ...defaultMemcg, periodSecs: 1 })).toBe(false);
  expect(shouldAge(node(0, 1, 4, 500), { ...defaultMemcg, periodSecs: 1 })).toBe(true);
});
