import { OperationError } from "../operation-error.ts";

/**
 * Failure of a guest or of the programs around it. The first line is operation, object, reason and remedy; after a
 * guest's death, its last console lines follow.
 */
export class MachineError extends OperationError {
  override readonly name = "MachineError";
}
