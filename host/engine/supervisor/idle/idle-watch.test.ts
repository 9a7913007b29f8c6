import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleWatch } from "./idle-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a guest is idle after the whole limit without use, and again after the next", async () => {
  let isUsed = true;
  const idle: number[] = [];
  const begun = performance.now();
  const onIdle = async () => void idle.push(performance.now() - begun);
  using _watch = new IdleWatch({ limitMs: () => 1000, isUsed: async () => isUsed, onIdle });
  await vi.advanceTimersByTimeAsync(3000);
  expect(idle).toEqual([]);
  isUsed = false;
  await vi.advanceTimersByTimeAsync(999);
  expect(idle).toEqual([]);
  await vi.advanceTimersByTimeAsync(1001);
  expect(idle).toEqual([4000, 5000]);
});

test("a guest whose use can't be read is in use, and after disposal nothing is looked at", async () => {
  const isUsed = vi.fn(() => Promise.reject(new Error("it has ended")));
  const onIdle = vi.fn(async () => undefined);
  const watch = new IdleWatch({ limitMs: () => 1000, isUsed, onIdle });
  await vi.advanceTimersByTimeAsync(5000);
  expect(isUsed).toHaveBeenCalledTimes(50);
  watch[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(5000);
  expect(isUsed).toHaveBeenCalledTimes(50);
  expect(onIdle).not.toHaveBeenCalled();
});

test("0, or a limit that can't be read, is none, and a new one counts within seconds", async () => {
  const limitMs = vi.fn(() => 0);
  const onIdle = vi.fn(async () => undefined);
  using _watch = new IdleWatch({ limitMs, isUsed: async () => false, onIdle });
  await vi.advanceTimersByTimeAsync(60_000);
  limitMs.mockImplementation(() => {
    throw new Error("its record is gone");
  });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(onIdle).not.toHaveBeenCalled();
  expect(limitMs.mock.calls.length).toBeLessThan(60);
  limitMs.mockImplementation(() => 1000);
  await vi.advanceTimersByTimeAsync(6000);
  expect(onIdle).toHaveBeenCalled();
});
