import { channel } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { activity } from "../kernel/activity.ts";
import { whenQuiet } from "./when-quiet.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function agent() {
  const calls = channel(`when-quiet.test.${Math.random()}`);
  const state = { isBusy: false };
  const act = vi.fn();
  whenQuiet(act, { isBusy: () => state.isBusy, calls });
  return { calls, state, act };
}

it("acts once, a second after the last call", () => {
  const { calls, act } = agent();
  for (let count = 0; count < 20; count++) {
    vi.advanceTimersByTime(900);
    calls.publish({});
  }
  vi.advanceTimersByTime(500);
  activity.publish({});
  vi.advanceTimersByTime(999);
  expect(act).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(act).toHaveBeenCalledTimes(1);
  calls.publish({});
  expect(vi.getTimerCount()).toBe(0);
});

it("waits for a call in progress", () => {
  const { state, act } = agent();
  state.isBusy = true;
  vi.advanceTimersByTime(10_000);
  expect(act).not.toHaveBeenCalled();
  state.isBusy = false;
  vi.advanceTimersByTime(1000);
  expect(act).toHaveBeenCalledTimes(1);
});

it("waits for thirty seconds at most, whatever calls come", () => {
  const { calls, state, act } = agent();
  state.isBusy = true;
  for (let count = 0; count < 599; count++) {
    vi.advanceTimersByTime(50);
    calls.publish({});
  }
  expect(act).not.toHaveBeenCalled();
  vi.advanceTimersByTime(100);
  expect(act).toHaveBeenCalledTimes(1);
});
