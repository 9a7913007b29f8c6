import { CODES, type CodeName, codeName } from "../../proto/codes.ts";
import { truncate, visible } from "../visible.ts";

/** Error of a failed call: returned by the agent, or raised because the call couldn't be sent or finished. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** gRPC code. */
  readonly code: number;
  /** Name of the code, such as "not-found". */
  readonly kind: CodeName;

  constructor(code: number | CodeName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = typeof code === "number" ? code : CODES[code];
    this.kind = codeName(this.code);
  }
}

/** Returns the error for an agent's answer: truncated, without control characters, and with a known code. */
export function answeredError(code: number, message: string): RpcError {
  const kind = codeName(code);
  return new RpcError(kind === "ok" ? "unknown" : kind, visible(truncate(message)));
}
