import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isAlive } from "../../lib/process-owner.ts";
import { terminateOwner } from "./owner-process.ts";

/** Reads the start time, field 22 of /proc/PID/stat. */
function startOf(pid: number): number {
  return Number(
    readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")[19],
  );
}

test("terminates the recorded process, never another one with the same pid", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const owner = { pid, started: startOf(pid) };
  terminateOwner({ pid, started: owner.started - 1 });
  terminateOwner({ pid: 2 ** 22 + 1, started: 1 });
  expect(isAlive(owner)).toBe(true);
  terminateOwner(owner);
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
  expect(isAlive(owner)).toBe(false);
  terminateOwner(owner);
});
