import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EventLoopLag } from "./event-loop-lag.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("no timer runs before the first take", () => {
  const lag = new EventLoopLag();
  expect(vi.getTimerCount()).toBe(0);
  expect(lag.take()).toBeUndefined();
  expect(vi.getTimerCount()).toBe(1);
  lag.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("the worst lag since the last take is reported once", () => {
  let now = 0;
  const lag = new EventLoopLag(() => now);
  lag.take();
  now = 1250;
  vi.advanceTimersByTime(1000);
  now = 2260;
  vi.advanceTimersByTime(1000);
  expect(lag.take()).toBe(0.25);
  expect(lag.take()).toBe(0);
  lag.close();
});

test("a timer that is overdue counts before it has fired", () => {
  let now = 0;
  const lag = new EventLoopLag(() => now);
  lag.take();
  now = 3000;
  expect(lag.take()).toBe(2);
  lag.close();
});
