import { channel } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { afterFirstAnswer, warmNode } from "./warm-node.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const nextTick = () => new Promise<void>((resolve) => process.nextTick(resolve));

function start() {
  const calls = channel(`warm-node.test.${Math.random()}`);
  const warm = vi.fn();
  afterFirstAnswer(warm, calls);
  return { calls, warm };
}

it("begins after what reports the first answer, and only once", async () => {
  const { calls, warm } = start();
  vi.advanceTimersByTime(900);
  calls.publish({});
  expect(warm).not.toHaveBeenCalled();
  await nextTick();
  expect(warm).toHaveBeenCalledTimes(1);
  calls.publish({});
  vi.runAllTimers();
  await nextTick();
  expect(warm).toHaveBeenCalledTimes(1);
  expect(calls.hasSubscribers).toBe(false);
});

it("begins after a second without a call", async () => {
  const { calls, warm } = start();
  vi.advanceTimersByTime(1001);
  await nextTick();
  expect(warm).toHaveBeenCalledTimes(1);
  expect(calls.hasSubscribers).toBe(false);
});

it("runs without an error", () => {
  expect(() => warmNode()).not.toThrow();
});
