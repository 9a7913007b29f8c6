import { CODES, type CodeName } from "../../proto/codes.ts";
import { RpcError } from "../client/rpc-error.ts";
import { type FailureKind, OperationError } from "../operation-error.ts";

const NAMES: Readonly<Partial<Record<FailureKind, CodeName>>> = {
  "invalid-argument": "invalid-argument",
  "not-found": "not-found",
  "already-exists": "already-exists",
  "permission-denied": "permission-denied",
  "no-space": "resource-exhausted",
  stopped: "failed-precondition",
  unsupported: "unimplemented",
};

/** Returns the gRPC code that an engine gets for an error. */
export function errorCode(error: unknown): number {
  if (error instanceof RpcError) return error.code;
  const kind = error instanceof OperationError ? error.kind : undefined;
  return CODES[(kind === undefined ? undefined : NAMES[kind]) ?? "unknown"];
}
