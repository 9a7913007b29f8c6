import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import type { LaunchReport } from "../../kernel/init/plan.ts";
import type { ExitStatus } from "../../kernel/kernel.ts";
import { encodeReport } from "../../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { hasExecuted, isReady, runsInit } from "./has-executed.ts";
import { Process } from "./process.ts";

leavesNoDescriptors();
const kernel = testKernel();
const { sys } = kernel;
const never = new AbortController().signal;
const ENDED: ExitStatus = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
afterEach(() => vi.restoreAllMocks());

/** A process of an earlier agent, with the writing end of its report pipe. */
function restored(pid: number, hasReport = true) {
  const { read, write } = sys.pipe();
  const exit = Promise.withResolvers<ExitStatus>();
  if (!hasReport) sys.close(read);
  const kept = hasReport ? { report: read } : {};
  const process = new Process(kernel, "x", { id: 1, pid, pidfd: undefined, exit: exit.promise }, kept);
  const report = (what: LaunchReport) => void sys.write(write, encodeReport(what));
  const hangUp = () => sys.close(write);
  return { process, report, hangUp, end: () => exit.resolve(ENDED) };
}

test("a container whose report says so is ready for its start", async () => {
  const { process, report, hangUp } = restored(1);
  report({ kind: "ready" });
  expect(await isReady(sys, process, never)).toBe(true);
  hangUp();
  process.destroy();
});

test("a container is not ready whose creation has failed, or that has ended", async () => {
  const failed = restored(1);
  failed.report({ kind: "failed", index: 0, errno: 2, text: "" });
  expect(await isReady(sys, failed.process, never)).toBe(false);
  const killed = restored(1);
  killed.hangUp();
  expect(await isReady(sys, killed.process, never)).toBe(false);
  const ended = restored(1, false);
  ended.end();
  await ended.process.exit;
  expect(await isReady(sys, ended.process, never)).toBe(false);
  for (const { hangUp } of [failed, ended]) hangUp();
  for (const { process } of [failed, killed, ended]) process.destroy();
});

test("a container whose report the killed agent has read is ready", async () => {
  const closed = restored(1, false);
  expect(await isReady(sys, closed.process, never)).toBe(true);
  const silent = restored(1);
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort());
  expect(await isReady(sys, silent.process, never)).toBe(true);
  for (const { hangUp, process } of [closed, silent]) {
    hangUp();
    process.destroy();
  }
});

test("a report that can't be read says nothing of readiness, and a caller that aborts gets its own reason", async () => {
  const { process, hangUp } = restored(1);
  const aborted = AbortSignal.abort(new Error("deadline"));
  await expect(isReady(sys, process, aborted)).rejects.toThrow("deadline");
  const refuse = () => {
    throw new Error("EIO");
  };
  expect(await isReady({ ...sys, read: refuse, poll: refuse }, process, never)).toBe(false);
  hangUp();
  process.destroy();
});

test("a process runs init's program until its execve", async () => {
  const child = spawn("sh", ["-c", "read line"], { stdio: ["pipe", "ignore", "ignore"] });
  expect(runsInit(process.ppid)).toBe(true);
  expect(runsInit(child.pid ?? 0)).toBe(false);
  child.stdin.end();
  await once(child, "close");
  expect(runsInit(child.pid ?? 0)).toBe(false);
});

test("an exec has executed once it has ended, or runs another program than init", async () => {
  const exec = restored(process.ppid, false);
  let isDone = false;
  const done = hasExecuted(exec.process, never).then((result) => (isDone = result));
  await new Promise(setImmediate);
  expect(isDone).toBe(false);
  exec.end();
  expect(await done).toBe(true);
  const other = restored(2 ** 22 + 1, false);
  expect(await hasExecuted(other.process, never)).toBe(true);
  for (const { hangUp, process } of [exec, other]) {
    hangUp();
    process.destroy();
  }
});

test("the wait for an execve ends with its caller", async () => {
  const exec = restored(process.ppid, false);
  const caller = new AbortController();
  const waiting = hasExecuted(exec.process, caller.signal);
  caller.abort();
  await expect(waiting).rejects.toThrow("aborted");
  exec.hangUp();
  exec.process.destroy();
});
