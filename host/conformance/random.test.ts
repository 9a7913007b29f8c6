import { expect, test } from "vitest";
import { randomBytes, randomFrom, seedOf } from "./random.ts";

test("a seed and a name repeat their numbers, and others don't", () => {
  const bytes = (seed: number, name: string) => randomBytes(randomFrom(seedOf(seed, name)), 100);
  expect(bytes(1, "a")).toEqual(bytes(1, "a"));
  expect(bytes(1, "a")).not.toEqual(bytes(1, "b"));
  expect(bytes(1, "a")).not.toEqual(bytes(2, "a"));
});
