import { channel } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { afterFirstAnswer, warmNode } from "./warm-node.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start() {
  const calls = channel(`warm-node.test.${Math.random()}`);
  const warm = vi.fn();
  afterFirstAnswer(warm, calls);
  return { calls, warm };
}

it("begins once the event loop has sent the first answer, and only then", () => {
  const { calls, warm } = start();
  vi.advanceTimersByTime(900);
  calls.publish({});
  expect(warm).not.toHaveBeenCalled();
  vi.runAllTimers();
  calls.publish({});
  vi.runAllTimers();
  expect(warm).toHaveBeenCalledTimes(1);
  expect(calls.hasSubscribers).toBe(false);
});

it("begins after a second without a call", () => {
  const { calls, warm } = start();
  vi.advanceTimersByTime(1001);
  expect(warm).toHaveBeenCalledTimes(1);
  expect(calls.hasSubscribers).toBe(false);
});

it("runs without an error", () => {
  expect(() => warmNode()).not.toThrow();
});
