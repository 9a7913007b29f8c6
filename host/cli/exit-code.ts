import { CommanderError } from "commander";
import { failureCode } from "../engine/container/failure-code.ts";
import { OperationError } from "../operation-error.ts";

/** Commands whose exit code is a process's. If guestctl itself fails, they use Docker's codes; other commands use 1. */
const RUNNERS: ReadonlySet<string> = new Set(["run", "exec", "attach", "debug"]);
/** Commands that return 2 for wrong usage, because 1 is the result of their work. */
const USAGE_IS_2: ReadonlySet<string> = new Set(["conformance"]);

/** Returns the exit code for an error that a command threw. */
export function exitCodeOf(error: unknown, command = ""): number {
  if (error instanceof SuppressedError) return exitCodeOf(error.suppressed, command);
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  if (error instanceof OperationError && error.exitCode !== undefined) return error.exitCode;
  if (error instanceof CommanderError && USAGE_IS_2.has(command)) return 2;
  return RUNNERS.has(command) ? failureCode(error) : 1;
}
