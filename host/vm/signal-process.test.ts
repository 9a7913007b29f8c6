import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isAlive } from "../../lib/process-owner.ts";
import { signalProcess, whenEnded } from "./signal-process.ts";

/** Reads the start time, field 22 of /proc/PID/stat. */
function startOf(pid: number): number {
  return Number(
    readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")[19],
  );
}

test("signals the recorded process, never another one with the same pid", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const owner = { pid, started: startOf(pid) };
  signalProcess({ pid, started: owner.started - 1 }, "SIGTERM");
  signalProcess({ pid: 2 ** 22 + 1, started: 1 }, "SIGTERM");
  expect(isAlive(owner)).toBe(true);
  const ended = whenEnded(owner);
  signalProcess(owner, "SIGTERM");
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
  await Promise.all([ended, whenEnded(owner)]);
  expect(isAlive(owner)).toBe(false);
  signalProcess(owner, "SIGTERM");
});
