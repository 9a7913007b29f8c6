/** A build that can't go on. The message is one line: what failed, on what, why, what to do. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** The text of anything thrown, for the end of a one-line message. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether `error` is a failed system call with this code ("ENOENT"). */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
