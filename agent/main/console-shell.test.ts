import { expect, test } from "vitest";
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

test("shells that end at once are restarted ever more slowly", async () => {
  const starts: number[] = [];
  const stop = new AbortController();
  await keepConsoleShell({
    async launch() {
      starts.push(performance.now());
      if (starts.length === 4) stop.abort();
      return shell(0);
    },
    onFailure: () => undefined,
    shortMs: 20,
    signal: stop.signal,
  });
  const [first = 0, , , fourth = 0] = starts;
  expect(fourth - first).toBeGreaterThan(20 + 40 + 80 - 10);
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
