import { CommanderError } from "commander";
import { RpcError } from "../client/rpc-error.ts";
import { CliError } from "./cli-error.ts";

/** Commands whose exit code is a process's. Their own failures have Docker's codes, the others' have 1. */
const RUNNERS: ReadonlySet<string> = new Set(["run", "exec"]);
const FAILED = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** Returns the exit code of a command that threw. */
export function exitCodeOf(error: unknown, command = ""): number {
  if (error instanceof SuppressedError) return exitCodeOf(error.suppressed, command);
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  if (error instanceof CliError && error.exitCode !== undefined) return error.exitCode;
  if (!RUNNERS.has(command)) return 1;
  return error instanceof RpcError ? launchFailure(error.message) : FAILED;
}

/** The agent's words for a program that can't be executed; its answers have no field for that. */
function launchFailure(message: string): number {
  const [, why] = /^exec(?:ve)? .*: (executable file not found|ENOENT|not executable|[A-Z]+ )/s.exec(message) ?? [];
  if (why === undefined) return FAILED;
  return why === "executable file not found" || why === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
}
