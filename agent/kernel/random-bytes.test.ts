import { expect, test } from "vitest";
import { randomBytes } from "./random-bytes.ts";

test("returns as many bytes as requested, others each time", () => {
  const all = Array.from({ length: 100 }, () => randomBytes(16).toString("hex"));
  expect(new Set(all).size).toBe(100);
  expect(new Set(all.map(({ length }) => length))).toEqual(new Set([32]));
});
