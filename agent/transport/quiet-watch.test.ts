import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { QuietWatch } from "./quiet-watch.ts";

describe("a quiet watch on a steady clock", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("calls back once after the whole silence, and not earlier", () => {
    const onQuiet = vi.fn();
    const watch = new QuietWatch(600, onQuiet);
    watch.heard();
    vi.advanceTimersByTime(599);
    expect(onQuiet).not.toHaveBeenCalled();
    vi.advanceTimersByTime(10_000);
    expect(onQuiet).toHaveBeenCalledTimes(1);
  });

  it("restarts each time it hears something", () => {
    const onQuiet = vi.fn();
    const watch = new QuietWatch(600, onQuiet);
    for (let word = 0; word < 20; word++) {
      watch.heard();
      vi.advanceTimersByTime(500);
    }
    expect(onQuiet).not.toHaveBeenCalled();
    vi.advanceTimersByTime(100);
    expect(onQuiet).toHaveBeenCalledTimes(1);
  });

  it("doesn't call back before it first hears something, nor after it was stopped", () => {
    const onQuiet = vi.fn();
    const watch = new QuietWatch(600, onQuiet);
    vi.advanceTimersByTime(1000);
    watch.heard();
    watch.stop();
    vi.advanceTimersByTime(1000);
    expect(onQuiet).not.toHaveBeenCalled();
  });
});

it("a quiet watch counts a long standstill as one check", async () => {
  const onQuiet = vi.fn();
  const watch = new QuietWatch(60, onQuiet);
  watch.heard();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  await turn();
  expect(onQuiet).not.toHaveBeenCalled();
  await expect.poll(() => onQuiet.mock.calls.length).toBe(1);
});
