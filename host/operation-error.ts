import type { TextKind } from "./text-kind.ts";
import { truncate, visibleLine } from "./visible.ts";

/** Kinds of failure that callers tell apart; the SDK's errors have codes of the same names. */
export type FailureKind = "guest-died" | "invalid-argument" | "not-installed" | "stopped" | "unsupported" | TextKind;

export interface OperationErrorOptions extends ErrorOptions {
  readonly exitCode?: number | undefined;
  readonly kind?: FailureKind | undefined;
}

/** Failure of an operation on guests and containers. The message is one line: operation, object, reason, remedy. */
export class OperationError extends Error {
  override readonly name: string = "OperationError";
  /** Exit code of a command that fails with it, if it differs from the command's usual one. */
  readonly exitCode: number | undefined;
  readonly kind: FailureKind | undefined;

  constructor(message: string, { exitCode, kind, ...options }: OperationErrorOptions = {}) {
    super(message, options);
    this.exitCode = exitCode;
    this.kind = kind;
  }
}

/** Returns the message to print for any thrown value: one line, without a stack. */
export function oneLine(error: unknown): string {
  if (error instanceof SuppressedError) return oneLine(error.suppressed);
  const text = error instanceof Error ? error.message : String(error);
  const [first = ""] = text.split("\n", 1);
  const line = first.replace(/; its console's last lines:$/, "; --verbose shows its console").trim();
  return visibleLine(truncate(line)) || "unknown error";
}
