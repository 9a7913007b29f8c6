import { RpcError } from "../client/rpc-error.ts";

/** A promise that the agent broke. `expected` and `actual` are for the report. */
export class CaseFailure extends Error {
  override readonly name = "CaseFailure";
  readonly expected: unknown;
  readonly actual: unknown;

  constructor(message: string, values: { readonly expected?: unknown; readonly actual?: unknown } = {}) {
    super(message);
    this.expected = values.expected;
    this.actual = values.actual;
  }
}

/** A prerequisite that only the running case could find missing. */
export class SkipCase extends Error {
  override readonly name = "SkipCase";
}

/**
 * True if the agent doesn't implement the call: UNIMPLEMENTED, or the answer of ttrpc-rust for a call of the .proto file that
 * the build lacks.
 */
export function isUnsupported(error: unknown): error is RpcError {
  if (!(error instanceof RpcError)) return false;
  return error.kind === "unimplemented" || (error.kind === "not-found" && / is not supported$/.test(error.message));
}
