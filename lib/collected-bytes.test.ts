import { expect, test } from "vitest";
import { CollectedBytes } from "./collected-bytes.ts";

test("joins pieces of any size", () => {
  const collected = new CollectedBytes();
  const pieces = ["", "a", "bcd", "", "e".repeat(10_000), "f"];
  for (const piece of pieces) collected.add(Buffer.from(piece));
  expect(collected.length).toBe(10_005);
  expect(collected.copy().toString()).toBe(pieces.join(""));
  expect(collected.take().toString()).toBe(pieces.join(""));
  expect([collected.length, collected.take().length]).toEqual([0, 0]);
});

test("takes at most twice the memory of a million single bytes", () => {
  const collected = new CollectedBytes();
  const one = Buffer.of(1);
  for (let count = 0; count < 1e6; count++) collected.add(one);
  expect(collected.take().buffer.byteLength).toBeLessThanOrEqual(2e6);
});
