import { RpcError } from "../../client/rpc-error.ts";
import { OperationError } from "../../operation-error.ts";

const FAILED = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** Returns Docker's exit code for a process that could not be started, or served to its end. */
export function failureCode(error: unknown): number {
  if (error instanceof OperationError && error.exitCode !== undefined) return error.exitCode;
  if (!(error instanceof RpcError)) return FAILED;
  if (error.reason === "no-program") return NOT_FOUND;
  return error.reason === "program-denied" || error.reason === "not-executable" ? NOT_EXECUTABLE : FAILED;
}
