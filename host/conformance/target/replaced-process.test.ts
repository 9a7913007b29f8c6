import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { killReplaced } from "./replaced-process.ts";

/** Starts a shell that replaces its child `sleep` whenever it ends. */
function startSupervisor(): ChildProcess {
  const child = spawn("/bin/sh", ["-c", "while :; do sleep 1000; done"], { stdio: "ignore", detached: true });
  onTestFinished(() => {
    process.kill(-(child.pid ?? 0), "SIGKILL");
  });
  return child;
}

/** Waits for a child that has executed `sleep` and is not one of these. */
async function childOf({ pid }: ChildProcess, ...known: readonly number[]): Promise<number> {
  const found = () => {
    const [child = 0] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").map(Number);
    return known.includes(child) || !isSleep(child) ? 0 : child;
  };
  await expect.poll(found).toBeGreaterThan(0);
  return found();
}

function isSleep(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("sleep\0");
  } catch {
    return false;
  }
}

test("kills the process, and each time the one that has replaced it", async () => {
  const supervisor = startSupervisor();
  const first = await childOf(supervisor);
  const kill = killReplaced(first);
  kill();
  const second = await childOf(supervisor, first);
  kill();
  const third = await childOf(supervisor, first, second);
  expect(new Set([first, second, third]).size).toBe(3);
});

test("fails if the process was not replaced, or never existed", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  const { pid = 0 } = child;
  await expect.poll(() => isSleep(pid)).toBe(true);
  const kill = killReplaced(pid);
  kill();
  await once(child, "exit");
  expect(kill).toThrow(
    `kill the agent: process ${pid} has ended, and its parent ${process.pid} has 0 children with its command line; give --restart`,
  );
  expect(() => killReplaced(pid)).toThrow(`kill the agent: no process has the pid ${pid}; check --pid`);
});
