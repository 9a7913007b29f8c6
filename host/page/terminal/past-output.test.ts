import { expect, it } from "vitest";
import { PastOutput } from "./past-output.ts";

it("counts output as past up to the offset at which it ended when the page attached", () => {
  const past = new PastOutput();
  past.begin(100);
  past.parsed(40);
  expect(past.isPast).toBe(true);
  const parts = past.split(90, new Uint8Array(30)).map(({ length }) => length);
  expect([parts, past.split(0, new Uint8Array(100)).length, past.split(100, new Uint8Array(9)).length]).toEqual([
    [10, 20],
    1,
    1,
  ]);
  past.parsed(100);
  expect(past.isPast).toBe(false);
});

it("counts the first moments as past if that offset is unknown", () => {
  const past = new PastOutput();
  expect(past.isPast).toBe(false);
  past.begin(undefined);
  expect(past.isPast).toBe(true);
});
