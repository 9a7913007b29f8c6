import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { START_LIMIT_MS, startHeartbeat } from "./heartbeat.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function beats(limitMs: number) {
  const limits: number[] = [];
  const heartbeat = startHeartbeat({ heartbeat: (limit) => void limits.push(limit) }, limitMs);
  return { limits, heartbeat };
}

it("allows the start a minute, and less once the agent listens", () => {
  const { limits, heartbeat } = beats(5000);
  vi.advanceTimersByTime(4000);
  expect(limits).toEqual([START_LIMIT_MS, START_LIMIT_MS, START_LIMIT_MS]);
  heartbeat.listening();
  vi.advanceTimersByTime(4000);
  expect(limits.slice(3)).toEqual([5000, 5000, 5000]);
});

it("beats before init looks for the first time, which is after half of the limit", () => {
  const { limits } = beats(1000);
  vi.advanceTimersByTime(1000);
  expect(limits).toHaveLength(3);
});

it("sends nothing when it is switched off", () => {
  const { limits, heartbeat } = beats(0);
  heartbeat.listening();
  vi.advanceTimersByTime(100_000);
  expect(limits).toEqual([]);
});

it("survives an init that does not read", () => {
  const init = {
    heartbeat: () => {
      throw new Error("1024 messages are queued");
    },
  };
  startHeartbeat(init, 1000).listening();
  expect(() => vi.advanceTimersByTime(5000)).not.toThrow();
});
