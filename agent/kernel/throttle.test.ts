import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { throttle } from "./throttle.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("the first event is reported at once, then the latest of each period with a count of those dropped", () => {
  const reports: [string, number][] = [];
  const note = throttle((event: string, dropped) => reports.push([event, dropped]));
  note("a");
  expect(reports).toEqual([["a", 0]]);
  for (const event of ["b", "c", "d"]) note(event);
  vi.advanceTimersByTime(1000);
  expect(reports.splice(1)).toEqual([["d", 2]]);
  note("e");
  vi.advanceTimersByTime(1000);
  expect(reports.splice(1)).toEqual([["e", 0]]);
  vi.advanceTimersByTime(1000);
  note("f");
  expect(reports.splice(1)).toEqual([["f", 0]]);
});

test("a report that throws doesn't stop later ones", () => {
  let count = 0;
  const note = throttle(() => {
    count++;
    throw new Error("no room for a line");
  });
  expect(() => note("a")).toThrow("no room for a line");
  note("b");
  expect(() => vi.advanceTimersByTime(1000)).toThrow("no room for a line");
  expect(count).toBe(2);
});
