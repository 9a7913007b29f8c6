import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { buildContainerInit } from "../build.ts";

let program: string;
beforeAll(() => {
  program = buildContainerInit({ sanitize: true });
});

/** Starts a command under the program. `ended` resolves with its exit code and output. */
function start(...command: string[]) {
  const child = spawn(program, command);
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (data) => {
    output.stdout += data;
  });
  child.stderr.on("data", (data) => {
    output.stderr += data;
  });
  const ended = once(child, "close").then(([code]) => ({ code, ...output }));
  return { child, output, ended };
}

test.each([
  ["the command's", ["sh", "-c", "echo out; echo err >&2; exit 7"], 7, "out\n", "err\n"],
  ["128 and the signal that ended it", ["sh", "-c", "kill -KILL $$"], 137, "", ""],
  ["127 for a command that doesn't exist", ["/nowhere"], 127, "", "init: exec /nowhere: No such file or directory\n"],
  ["126 for a command that can't run", ["/etc/passwd"], 126, "", "init: exec /etc/passwd: Permission denied\n"],
  ["126 without a command", [], 126, "", "usage: init COMMAND [ARGUMENT...]\n"],
])("an init's exit code is %s", async (_, command, code, stdout, stderr) => {
  expect(await start(...command).ended).toEqual({ code, stdout, stderr });
});

test("an init passes signals on to the command, which starts with none blocked", async () => {
  const script = `grep SigBlk /proc/self/status; trap 'echo got; exit 3' USR1; echo up; while :; do sleep 0.1; done`;
  const { child, output, ended } = start("sh", "-c", script);
  await expect.poll(() => output.stdout, { timeout: 50_000 }).toMatch(/up\n$/);
  child.kill("SIGUSR1");
  expect(await ended).toEqual({ code: 3, stdout: "SigBlk:\t0000000000000000\nup\ngot\n", stderr: "" });
});

test("an init reaps orphans while its command runs", async () => {
  // The shell between them ends at once; its child becomes the init's, and ends.
  const { child, output, ended } = start("sh", "-c", "sh -c 'sh -c true & echo $!'; read line; echo end");
  await expect.poll(() => output.stdout, { timeout: 50_000 }).toMatch(/^\d+\n$/);
  const orphan = output.stdout.trim();
  const exists = () => {
    try {
      return readFileSync(`/proc/${orphan}/stat`, "utf8").includes(` ${child.pid} `);
    } catch {
      return false;
    }
  };
  await expect.poll(exists, { timeout: 50_000 }).toBe(false);
  child.stdin.end("\n");
  expect(await ended).toMatchObject({ code: 0, stdout: `${orphan}\nend\n` });
});
