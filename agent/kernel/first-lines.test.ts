import { expect, test } from "vitest";
import { firstLines } from "./first-lines.ts";

const lines = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`);

test("few lines stay as they are", () => {
  for (const count of [0, 1, 16]) expect(firstLines(lines(count))).toEqual(lines(count));
});

test("of many the first are there, and how many more", () => {
  expect(firstLines(lines(100_000))).toEqual([...lines(16), "99984 more of such lines are left out"]);
});
