import { CODES, type CodeName, codeName } from "../../proto/codes.ts";

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
