import type { CodeName } from "../../../proto/codes.ts";

/**
 * Why an attachment ended without the end of its process: the agent's refusal, by its code; "unreachable" if the first
 * connection failed; "taken-over" by another client; "cut" if the agent could not be reached again; "gap" if input could
 * not be written.
 */
export type AttachErrorKind = CodeName | "unreachable" | "taken-over" | "cut" | "gap";

/** One line; never means that the process has ended. */
export class AttachError extends Error {
  override readonly name = "AttachError";
  readonly kind: AttachErrorKind;

  constructor(kind: AttachErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
