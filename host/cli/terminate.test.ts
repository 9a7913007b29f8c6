import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isAlive } from "../../lib/process-owner.ts";
import { terminate } from "./terminate.ts";

/** Field 22 of its stat. */
function startOf(pid: number): number {
  return Number(
    readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")[19],
  );
}

test("the process that is meant is ended, and never another one that has its pid", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const owner = { pid, started: startOf(pid) };
  terminate({ pid, started: owner.started - 1 });
  terminate({ pid: 2 ** 22 + 1, started: 1 });
  expect(isAlive(owner)).toBe(true);
  terminate(owner);
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
  expect(isAlive(owner)).toBe(false);
  terminate(owner);
});
