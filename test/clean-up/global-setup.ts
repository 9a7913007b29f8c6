import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OPEN_WORK, WORK } from "./work-directory.ts";

let janitor: ChildProcess | undefined;

/**
 * Creates a directory for all temporary files of a test run, and starts the janitor, which removes it and everything
 * else that the run leaves behind. The janitor is a separate process, so that it also cleans up after a run that is
 * killed.
 */
export function setup(): void {
  mkdirSync(WORK, { recursive: true });
  const temporary = mkdtempSync(join(tmpdir(), "guestd-run-"));
  process.env["TMPDIR"] = temporary;
  process.env["GUESTD_AUDIT"] = "off";
  janitor = spawn("/bin/sh", [join(import.meta.dirname, "janitor.sh"), temporary, WORK, OPEN_WORK], {
    detached: true,
    env: { PATH: process.env["PATH"] },
    stdio: ["pipe", "ignore", "ignore"],
  });
  janitor.unref();
  (janitor.stdin as Socket).unref();
}

/** Tells the janitor that the test run has ended normally. */
export async function teardown(): Promise<void> {
  if (janitor === undefined || janitor.exitCode !== null) return;
  const gone = once(janitor, "exit");
  janitor.ref();
  janitor.stdin?.end("done\n");
  await gone;
}
