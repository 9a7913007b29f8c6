import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import type { ExitStatus } from "../../kernel/kernel.ts";
import { Process } from "../process/process.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { watchProgram } from "./watch-program.ts";

const never = new AbortController().signal;
const ENDED: ExitStatus = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
afterEach(() => vi.restoreAllMocks());

function processOf(pid: number) {
  const exit = Promise.withResolvers<ExitStatus>();
  const process = new Process(testKernel(), "c1", { id: 1, pid, pidfd: undefined, exit: exit.promise }, {});
  return { process, end: () => exit.resolve(ENDED) };
}

test("the wait lasts until the process runs another program", async () => {
  const child = spawn("sh", ["-c", "read line; exec cat"], { stdio: ["pipe", "ignore", "ignore"] });
  const watched = watchProgram(processOf(child.pid ?? 0).process);
  let isDone = false;
  const done = watched(never).then(() => (isDone = true));
  await new Promise(setImmediate);
  expect(isDone).toBe(false);
  child.stdin.write("\n");
  await done;
  child.stdin.end();
  await once(child, "close");
});

test("the wait ends with the process, with the caller, and after five seconds", async () => {
  const { process: ended, end } = processOf(process.pid);
  end();
  await ended.exit;
  await watchProgram(ended)(never);
  const { process: waiting } = processOf(process.pid);
  await expect(watchProgram(waiting)(AbortSignal.abort())).rejects.toThrow("aborted");
  const times = [0, 0, 4999, 5000];
  vi.spyOn(performance, "now").mockImplementation(() => times.shift() ?? 5000);
  await watchProgram(waiting)(never);
  expect(times).toEqual([]);
});

test("a process that is gone without its end being reported counts as running another program", async () => {
  const child = spawn("sh", ["-c", "read line"], { stdio: ["pipe", "ignore", "ignore"] });
  const watched = watchProgram(processOf(child.pid ?? 0).process);
  child.stdin.end();
  await once(child, "close");
  await watched(never);
});
