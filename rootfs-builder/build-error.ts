import { existsSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { reason } from "../lib/reason.ts";
import { cacheDirectory } from "./cache-directory.ts";

/** Reports that a build can't continue. The message is one line: operation, object, reason, remedy. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** True if `error` is a failed system call with this code ("ENOENT"). */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

export function saysFullDisk(text: string): boolean {
  return /no space left on device/i.test(text);
}

/** Converts a failure to write below `directory`: if the disk is full, the result says so in one line. */
export function fullDisk(error: unknown, directory: string): unknown {
  if (!hasCode(error, "ENOSPC") && !saysFullDisk(reason(error))) return error;
  const temporary = existsSync(tmpdir()) ? realpathSync(tmpdir()) : undefined;
  const other = directory === temporary ? "TMPDIR" : directory.startsWith(cacheDirectory()) ? "GUESTD_CACHE" : "--to";
  return new BuildError(`${directory}: disk full: make room there, or use another folder with ${other}`);
}
