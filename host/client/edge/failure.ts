import { CODES, type CodeName } from "../../../proto/codes.ts";
import { truncate } from "../../visible.ts";
import { answers } from "./stream-messages.ts";

/** Returns the error that a frame of an agent reports, as one line for a terminal. */
export function failureIn(payload: Uint8Array): { readonly kind: CodeName; readonly message: string } {
  const { kind, message } = answers.failure.decode(payload);
  return { kind: isCodeName(kind) ? kind : "unknown", message: truncate(message) };
}

function isCodeName(kind: string): kind is CodeName {
  return Object.hasOwn(CODES, kind);
}
