import { isDeepStrictEqual } from "node:util";
import { type ErrorKind, RpcError } from "../client/rpc-error.ts";
import { CaseFailure, isUnsupported } from "./outcome.ts";

/** Fails the case unless both values are deeply equal. `what` names the value. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new CaseFailure(`${what} differs`, { expected, actual });
}

/** Fails the case unless the text matches. */
export function matches(actual: string, pattern: RegExp, what: string): void {
  if (pattern.test(actual)) return;
  throw new CaseFailure(`${what} does not match`, { expected: String(pattern), actual });
}

/** Fails the case unless the condition is true. `what` states the condition. */
export function holds(condition: boolean, what: string, actual?: unknown): asserts condition {
  if (!condition) throw new CaseFailure(`not true: ${what}`, { expected: what, actual });
}

/** The answer that a refused call must have. */
export interface Refusal {
  /** Allowed codes; by default any. */
  readonly codes?: readonly ErrorKind[];
  readonly text?: RegExp;
}

/** Fails the case unless the agent refuses the call as expected. Returns the error. */
export async function refused(call: Promise<unknown>, { codes, text }: Refusal = {}): Promise<RpcError> {
  const expected = { codes: codes ?? "any error", ...(text === undefined ? {} : { text: String(text) }) };
  const error = await call.then(
    (answer) => {
      throw new CaseFailure("the call succeeded and had to fail", { expected, actual: answer });
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof RpcError)) throw error;
  if (isUnsupported(error) && !codes?.includes(error.kind)) throw error;
  const actual = { code: error.kind, text: error.message };
  if (codes !== undefined && !codes.includes(error.kind)) {
    throw new CaseFailure(`the error has the code ${error.kind}`, { expected, actual });
  }
  if (text !== undefined && !text.test(error.message)) {
    throw new CaseFailure("the error has another text", { expected, actual });
  }
  return error;
}
