import { expect, test } from "vitest";
import { firstLines } from "./first-lines.ts";

const lines = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`);

test("up to 16 lines are returned unchanged", () => {
  for (const count of [0, 1, 16]) expect(firstLines(lines(count))).toEqual(lines(count));
});

test("more than 16 lines are cut to the first 16 and a count of the rest", () => {
  expect(firstLines(lines(100_000))).toEqual([...lines(16), "99984 more lines like these omitted"]);
});
