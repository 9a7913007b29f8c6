import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Periodic } from "./periodic.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("runs no timer before it is set and after it is turned off", async () => {
  let count = 0;
  const periodic = new Periodic(async () => void count++);
  expect(vi.getTimerCount()).toBe(0);
  periodic.set(1000);
  await vi.advanceTimersByTimeAsync(3500);
  expect(count).toBe(3);
  periodic.set(undefined);
  expect(vi.getTimerCount()).toBe(0);
});

test("continues after a failure and never runs twice at once", async () => {
  let [now, most, runs] = [0, 0, 0];
  const periodic = new Periodic(async () => {
    most = Math.max(most, ++now);
    runs += 1;
    await new Promise((resolve) => setTimeout(resolve, 5000));
    now -= 1;
    throw new Error("failed");
  });
  periodic.set(1000);
  await vi.advanceTimersByTimeAsync(13_000);
  expect([most, runs]).toEqual([1, 3]);
  periodic.set(undefined);
});

test("cancels work in progress when the period changes", async () => {
  const signals: AbortSignal[] = [];
  const periodic = new Periodic((signal) => {
    signals.push(signal);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  periodic.set(1000);
  await vi.advanceTimersByTimeAsync(1000);
  periodic.set(10);
  await vi.advanceTimersByTimeAsync(10);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  periodic.set(undefined);
  await vi.advanceTimersByTimeAsync(100);
  expect(vi.getTimerCount()).toBe(0);
});
