import { CODES, type CodeName, codeName } from "../../proto/codes.ts";
import { visible } from "../visible.ts";

/** Characters of an agent's message that are kept. It may send 4 MiB. */
const LONGEST = 4000;

/** A call that failed: by the agent's word, or because it could not be made or finished. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** gRPC code. */
  readonly code: number;
  /** Name of the code, "not-found". */
  readonly kind: CodeName;

  constructor(code: number | CodeName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = typeof code === "number" ? code : CODES[code];
    this.kind = codeName(this.code);
  }
}

/** Returns the error that an agent answered, bounded, free of control characters, and with a code of the table. */
export function answeredError(code: number, message: string): RpcError {
  const text = message.length > LONGEST ? `${message.slice(0, LONGEST)} …` : message;
  const kind = codeName(code);
  return new RpcError(kind === "ok" ? "unknown" : kind, visible(text));
}
