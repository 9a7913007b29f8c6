import { existsSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { reason } from "../lib/reason.ts";
import { cacheDirectory } from "./cache-directory.ts";

/** A build that can't go on. The message is one line: what failed, on what, why, what to do. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** Whether `error` is a failed system call with this code ("ENOENT"). */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

export function saysFullDisk(text: string): boolean {
  return /no space left on device/i.test(text);
}

/** What is thrown for a failure while something was written below `directory`: one line that says so when its disk is full. */
export function fullDisk(error: unknown, directory: string): unknown {
  if (!hasCode(error, "ENOSPC") && !saysFullDisk(reason(error))) return error;
  const temporary = existsSync(tmpdir()) ? realpathSync(tmpdir()) : undefined;
  const other = directory === temporary ? "TMPDIR" : directory.startsWith(cacheDirectory()) ? "GUESTD_CACHE" : "--to";
  return new BuildError(`${directory}: its disk is full: make room there, or take another folder with ${other}`);
}
