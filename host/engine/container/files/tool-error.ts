import { kindInText, type TextKind } from "../../../text-kind.ts";
import { truncate, visibleLine } from "../../../visible.ts";

export type ToolErrorKind = "invalid-argument" | "unavailable" | "internal" | TextKind;

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

/** Returns the kind for what sh, cat, stat or mv print; the words depend on whose they are. */
function kindOf(line: string): ToolErrorKind {
  const kind = kindInText(line);
  if (kind !== undefined) return kind;
  if (/nonexistent/i.test(line)) return "not-found";
  if (/not permitted|read-only/i.test(line)) return "permission-denied";
  if (/not empty/i.test(line)) return "already-exists";
  if (/is a directory|not a directory|not a regular file/i.test(line)) return "invalid-argument";
  return "internal";
}
