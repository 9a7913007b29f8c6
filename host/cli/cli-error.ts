import { OperationError } from "../operation-error.ts";

/** Failure of a command. The message is one line: operation, object, reason, remedy. */
export class CliError extends OperationError {
  override readonly name = "CliError";
}
