import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { pastTime } from "./past-time.ts";

test("reads times, and how long ago they were", () => {
  expect(pastTime("2026-11-27T12:00:00Z").toISOString()).toBe("2026-11-27T12:00:00.000Z");
  expect(Date.now() - pastTime("10m").getTime()).toBeGreaterThanOrEqual(600_000);
  expect(Date.now() - pastTime("10m").getTime()).toBeLessThan(660_000);
});

test.each(["", "10", "m", "-1s", "yesterday", "2026-13-40", "1w", "99999999999s", "999999999d"])(
  "refuses %j",
  (text) => {
    expect(() => pastTime(text)).toThrow(InvalidArgumentError);
  },
);
