import type { CodeName } from "../../../proto/codes.ts";

/** Why a target could not be connected to. */
export type RefusalType =
  | "refused"
  | "unreachable"
  | "timeout"
  | "no-container"
  | "no-file"
  | "not-a-socket"
  | "no-access"
  | "in-use";

/** A refusal by its type; another error of the agent by its code; "cut" if the connection was lost. */
export type ForwardErrorKind = RefusalType | CodeName | "cut";

/** One line. A connection that fails with it has not ended: bytes may be missing. */
export class ForwardError extends Error {
  override readonly name = "ForwardError";
  readonly kind: ForwardErrorKind;

  constructor(kind: ForwardErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
