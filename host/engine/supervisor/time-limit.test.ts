import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TimeLimit, timeIn } from "./time-limit.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function limit() {
  const end = vi.fn(async () => undefined);
  return { end, limit: new TimeLimit(end) };
}

test("the last time that was set counts, and one that has passed already ends the guest at once", () => {
  const { end, limit: one } = limit();
  one.set(timeIn(1000));
  one.set(timeIn(2000));
  vi.advanceTimersByTime(1999);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(end).toHaveBeenCalledExactlyOnceWith(
    `powered off, as its time limit has passed at ${new Date().toISOString()}`,
  );
  one.set(timeIn(-5));
  expect(end).toHaveBeenCalledTimes(2);
});

test("a time is taken back by none, by Infinity, and by disposal", () => {
  const { end, limit: one } = limit();
  one.set(timeIn(1000));
  one.set(undefined);
  one.set(timeIn(1000));
  one.set(timeIn(Number.POSITIVE_INFINITY));
  one.set(timeIn(1000));
  one[Symbol.dispose]();
  vi.advanceTimersByTime(10_000);
  expect(end).not.toHaveBeenCalled();
});

test("a time further away than a timer can wait is kept to", () => {
  const { end, limit: one } = limit();
  const days = 60 * 24 * 3600 * 1000;
  one.set(timeIn(days));
  vi.advanceTimersByTime(days - 1);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(end).toHaveBeenCalledOnce();
});
