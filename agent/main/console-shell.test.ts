import { afterEach, expect, test, vi } from "vitest";
import type { Process } from "../container/process/process.ts";
import { keepConsoleShell } from "./console-shell.ts";

/** A shell that lives so long. */
function shell(ms: number, ended: () => void = () => undefined): Process {
  const exit = new Promise<void>((resolve) => setTimeout(resolve, ms));
  return { exit, destroy: ended } as unknown as Process;
}

test("a shell that ends is restarted until none can be started", async () => {
  const lives = [30, 30];
  const lines: string[] = [];
  let ended = 0;
  await keepConsoleShell({
    async launch() {
      const next = lives.shift();
      if (next === undefined) throw new Error("no shell in the image");
      return shell(next, () => ended++);
    },
    onFailure: (line) => lines.push(line),
    shortMs: 10,
  });
  expect([ended, lines]).toEqual([2, ["agent.debug_console: no shell on /dev/console: no shell in the image"]]);
});

afterEach(() => void vi.useRealTimers());

test("shells that end at once are restarted ever more slowly", async () => {
  vi.useFakeTimers();
  const starts: number[] = [];
  const stop = new AbortController();
  const kept = keepConsoleShell({
    async launch() {
      starts.push(performance.now());
      if (starts.length === 4) stop.abort();
      return { exit: Promise.resolve(), destroy: () => undefined } as unknown as Process;
    },
    onFailure: () => undefined,
    shortMs: 20,
    signal: stop.signal,
  });
  await vi.runAllTimersAsync();
  await kept;
  const [first = 0] = starts;
  expect(starts.map((start) => start - first)).toEqual([0, 20, 60, 140]);
});

test("a shell of the last agent keeps running first", async () => {
  let ended = false;
  await keepConsoleShell({
    launch: () => Promise.reject(new Error(ended ? "after it" : "beside it")),
    found: shell(20, () => (ended = true)),
    onFailure: (line) => expect(line).toContain("after it"),
    shortMs: 1,
  });
});
