import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WORK } from "./work-directory.ts";

let janitor: ChildProcess | undefined;

/**
 * Before a test run: gives it a directory for all temporary files, and starts the janitor, which removes that one and
 * what else the run leaves. It is a process of its own, so that it also comes after a run that was killed.
 */
export function setup(): void {
  mkdirSync(WORK, { recursive: true });
  const temporary = mkdtempSync(join(tmpdir(), "guestd-run-"));
  process.env["TMPDIR"] = temporary;
  janitor = spawn("/bin/sh", [join(import.meta.dirname, "janitor.sh"), temporary, WORK], {
    detached: true,
    env: { PATH: process.env["PATH"] },
    stdio: ["pipe", "ignore", "ignore"],
  });
  janitor.unref();
  (janitor.stdin as Socket).unref();
}

/** After a test run that has ended in order. */
export async function teardown(): Promise<void> {
  if (janitor === undefined || janitor.exitCode !== null) return;
  const gone = once(janitor, "exit");
  janitor.ref();
  janitor.stdin?.end("done\n");
  await gone;
}
