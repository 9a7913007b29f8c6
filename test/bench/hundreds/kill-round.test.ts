import { expect, test } from "vitest";
import { lostBytes, numbers } from "./kill-round.ts";

test("counts the bytes that output lacks, or has twice, from the first wrong one on", () => {
  const whole = numbers(12);
  expect(lostBytes(whole, whole)).toBe(0);
  expect(lostBytes("", whole)).toBe(26);
  expect(lostBytes(whole.slice(0, -3), whole)).toBe(3);
  expect(lostBytes(`${whole}11\n`, whole)).toBe(3);
  expect(lostBytes(whole.replace("4\n", ""), whole)).toBe(26 - 8);
});
