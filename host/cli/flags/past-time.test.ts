import { InvalidArgumentError } from "commander";
import { afterEach, expect, test, vi } from "vitest";
import { pastTime } from "./past-time.ts";

afterEach(() => vi.useRealTimers());

test("reads times, and how long ago they were", () => {
  expect(pastTime("2026-11-27T12:00:00Z").toISOString()).toBe("2026-11-27T12:00:00.000Z");
  vi.useFakeTimers({ now: new Date("2026-11-27T12:00:00Z") });
  expect(pastTime("10m").toISOString()).toBe("2026-11-27T11:50:00.000Z");
});

test.each(["", "10", "m", "-1s", "yesterday", "2026-13-40", "1w", "99999999999s", "999999999d"])(
  "refuses %j",
  (text) => {
    expect(() => pastTime(text)).toThrow(InvalidArgumentError);
  },
);
