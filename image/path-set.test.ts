import { expect, test } from "vitest";
import { PathSet } from "./path-set.ts";

test("refuses a path beyond its limit, but accepts one it already has", () => {
  const set = new PathSet(2);
  expect([set.add("a"), set.add("b"), set.add("a")]).toEqual([true, true, false]);
  expect(() => set.add("c")).toThrow("its layer has more than 2 paths");
  expect([set.has("b"), set.has("c")]).toEqual([true, false]);
  set.clear();
  expect(set.add("c")).toBe(true);
});
