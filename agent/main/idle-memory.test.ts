import { channel } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { activity } from "../kernel/activity.ts";
import { returnIdleMemory } from "./idle-memory.ts";

const MIB = 1024 * 1024;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An agent of 50 MiB with a heap of 8 that calls grow; a collection leaves 8 MiB again. */
function agent() {
  const done: string[] = [];
  const calls = channel(`idle-memory.test.${Math.random()}`);
  const heap = { total: 8 * MIB, resident: 50 * MIB };
  const state = { isBusy: false };
  const sys = {
    collectGarbage() {
      done.push("collect");
      heap.total = 8 * MIB;
    },
    trimHeap: () => void done.push("trim"),
  };
  const options = { isBusy: () => state.isBusy, calls, heapTotal: () => heap.total, resident: () => heap.resident };
  returnIdleMemory(sys, options);
  const call = (growth = 0) => {
    if (growth > 0) heap.total += growth;
    calls.publish({});
  };
  return { done, call, state, heap };
}

const STEPS = ["collect", "collect", "collect", "trim"];

it("collects garbage and then trims the heap, once after the start, and has no timer then", () => {
  const { done } = agent();
  vi.advanceTimersByTime(2000);
  expect(done).toEqual(["collect"]);
  vi.advanceTimersByTime(3000);
  expect(done).toEqual(STEPS);
  expect(vi.getTimerCount()).toBe(0);
});

it("collects nothing while calls come, and collects when they have ended", () => {
  const { done, call } = agent();
  for (let count = 0; count < 100; count++) {
    call(MIB);
    vi.advanceTimersByTime(900);
  }
  expect(done).toEqual([]);
  vi.advanceTimersByTime(10_000);
  expect(done).toEqual(STEPS);
});

it("collects nothing during one long call", () => {
  const { done, state } = agent();
  state.isBusy = true;
  vi.advanceTimersByTime(10_000);
  expect(done).toEqual([]);
  state.isBusy = false;
  vi.advanceTimersByTime(10_000);
  expect(done).toEqual(STEPS);
});

it("does not collect the little garbage of a few calls", () => {
  const { done, call } = agent();
  vi.advanceTimersByTime(10_000);
  call(MIB / 4);
  vi.advanceTimersByTime(10_000);
  expect(done).toEqual(STEPS);
  call(MIB);
  vi.advanceTimersByTime(10_000);
  expect(done).toEqual([...STEPS, ...STEPS]);
});

/** Calls once in each period; returns what had been done after each. */
function underLoad(periods: readonly { readonly heap?: number; readonly resident?: number }[]) {
  const { done, call, heap } = agent();
  return periods.map(({ heap: total = 8, resident = 50 }) => {
    Object.assign(heap, { total: total * MIB, resident: resident * MIB });
    call();
    vi.advanceTimersByTime(1000);
    return done.splice(0).join();
  });
}

it("under load, collects and then trims once the heap has shrunk, and again when it shrinks further", () => {
  const heaps = [8, 48, 41, 39, 38, 30, 29, 30, 30, 30].map((heap) => ({ heap }));
  expect(underLoad(heaps)).toEqual(["", "", "", "collect", "trim", "collect", "trim", "", "", ""]);
});

it("under load, collects and then trims once the agent has grown, but not while it stays large", () => {
  const sizes = [50, 74, 75, 76, 77, 70, 94, 95, 99, 99].map((resident) => ({ resident }));
  expect(underLoad(sizes)).toEqual(["", "", "collect", "trim", "", "", "", "collect", "trim", ""]);
});

it("looks again after a client of guestd.v1.Streams has connected or left", () => {
  agent();
  vi.advanceTimersByTime(10_000);
  expect(vi.getTimerCount()).toBe(0);
  activity.publish({});
  vi.advanceTimersByTime(500);
  expect(vi.getTimerCount()).toBeGreaterThan(0); // other tests' agents hear it too
});

it("does without numbers that it can't read, as without a free descriptor, until it can", () => {
  const { done, call, heap } = agent();
  vi.advanceTimersByTime(10_000);
  expect(done.splice(0)).toEqual(STEPS);
  const get = () => {
    throw new Error("EMFILE");
  };
  const unreadable = { get, configurable: true };
  Object.defineProperties(heap, { total: unreadable, resident: unreadable });
  call();
  vi.advanceTimersByTime(10_000);
  expect(done).toEqual([]);
  const value = (bytes: number) => ({ value: bytes, writable: true, configurable: true });
  Object.defineProperties(heap, { total: value(10 * MIB), resident: value(50 * MIB) });
  call();
  vi.advanceTimersByTime(10_000);
  expect(done).toEqual(STEPS);
});
