import { expect, test } from "vitest";
import { randomBytesOf, randomFrom } from "../../lib/seeded-random.ts";
import { seedOf } from "./case-seed.ts";

test("a seed and a name repeat their numbers, and others don't", () => {
  const bytes = (seed: number, name: string) => randomBytesOf(randomFrom(seedOf(seed, name)), 100);
  expect(bytes(1, "a")).toEqual(bytes(1, "a"));
  expect(bytes(1, "a")).not.toEqual(bytes(1, "b"));
  expect(bytes(1, "a")).not.toEqual(bytes(2, "a"));
});
