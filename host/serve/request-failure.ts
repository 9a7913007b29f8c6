import { isIdentifier } from "../../lib/identifier.ts";
import { RpcError } from "../client/rpc-error.ts";
import { SandboxError } from "../sdk/error/sandbox-error.ts";

/** A request that fails, with the status of its answer. The message is one line. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const STATUSES: Readonly<Record<string, number>> = {
  "invalid-argument": 400,
  "permission-denied": 403,
  "not-found": 404,
  "already-exists": 409,
  "failed-precondition": 409,
  unimplemented: 501,
  unsupported: 501,
  unavailable: 503,
  unreachable: 503,
  "agent-lost": 503,
  timeout: 504,
  "no-space": 507,
};
const SERVER_ERROR = 500;

/** Returns the status for an error. */
export function statusOf(error: unknown): number {
  if (error instanceof RequestFailure) return error.status;
  if (error instanceof RpcError) {
    return STATUSES[error.kind] ?? SERVER_ERROR;
  }
  return error instanceof SandboxError ? (STATUSES[error.code] ?? SERVER_ERROR) : SERVER_ERROR;
}

/** Returns a name for guests if it is valid; it then is no option of a command either. Throws RequestFailure. */
export function checkedName(name: string): string {
  if (isIdentifier(name)) return name;
  throw new RequestFailure(
    400,
    `name ${JSON.stringify(name)}: use 2 to 100 letters, digits, dots, hyphens, underscores`,
  );
}
