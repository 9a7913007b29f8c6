import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { realFiles } from "../../kernel/files.ts";
import { isEnding } from "./is-ending.ts";

test("a live process is not ending", () => {
  expect(isEnding(realFiles, process.pid)).toBe(false);
});

test("a process that has ended is ending, before and after it is reaped", async () => {
  // The shell becomes a program that never waits for its child, which ends with the input: descriptor 3, as a shell gives what
  // it starts in the background /dev/null as stdin before any redirection.
  const parent = spawn("/bin/sh", ["-c", "exec 3<&0; cat <&3 >/dev/null & echo $!; exec sleep 1000"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  try {
    const [text] = await once(parent.stdout, "data");
    const pid = Number(text);
    await expect.poll(() => realFiles.readText(`/proc/${parent.pid}/comm`)).toBe("sleep\n");
    parent.stdin.end();
    await expect.poll(() => realFiles.readText(`/proc/${pid}/stat`)).toMatch(/\) Z /);
    expect(isEnding(realFiles, pid)).toBe(true);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    expect(isEnding(realFiles, pid)).toBe(true);
  } finally {
    parent.kill("SIGKILL");
  }
});

test("a process name that looks like the rest of the line is skipped", () => {
  const of = (flags: number) => ({ ...realFiles, readText: () => `7 (a) S 1 4 4 (b)) S 1 7 7 0 -1 ${flags} 0 0` });
  expect([isEnding(of(4_194_560), 7), isEnding(of(4_194_564), 7)]).toEqual([false, true]);
});

test("a stat file that can't be opened does not count as ending", () => {
  const readText = () => {
    throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
  };
  expect(isEnding({ ...realFiles, readText }, process.pid)).toBe(false);
});
