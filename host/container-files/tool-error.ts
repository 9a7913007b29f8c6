import { truncate, visibleLine } from "../visible.ts";

export type ToolErrorKind =
  | "not-found"
  | "permission-denied"
  | "already-exists"
  | "invalid-argument"
  | "unavailable"
  | "internal";

/** Failure of one of the container's programs, or of a request for one; the message is one line. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  readonly kind: ToolErrorKind;

  constructor(message: string, kind: ToolErrorKind = "internal") {
    super(message);
    this.kind = kind;
  }
}

/** Returns the error of a program that has failed, from its last line on stderr. */
export function toolError(stderr: string, code: number): ToolError {
  const line = visibleLine(truncate(stderr.trim().split("\n").at(-1) ?? "")) || `the program ended with ${code}`;
  return new ToolError(line, kindOf(line));
}

function kindOf(line: string): ToolErrorKind {
  if (/no such file|nonexistent|not found/i.test(line)) return "not-found";
  if (/permission denied|not permitted|read-only/i.test(line)) return "permission-denied";
  if (/file exists|not empty/i.test(line)) return "already-exists";
  if (/is a directory|not a directory|not a regular file/i.test(line)) return "invalid-argument";
  return "internal";
}
