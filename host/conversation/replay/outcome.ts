import { answeredError } from "../../client/rpc-error.ts";
import type { Failure, Response } from "../format/conversation.ts";
import type { JsonMessage } from "../format/message-json.ts";

/** Result of a call: a message, bytes that can't be decoded, or an error. */
export type Outcome =
  | { readonly message: JsonMessage }
  | { readonly payload: string }
  | { readonly error: { readonly code: number; readonly text: string } };

/** Returns a recorded result. Of an error's text counts the first line, as our client shows it. */
export function recordedOutcome(entry: Response | Failure): Outcome {
  if (entry.kind === "error") return failure(answeredError(entry.code, entry.text));
  return entry.message === undefined
    ? { payload: entry.payload ?? `${entry.length ?? 0} bytes` }
    : { message: entry.message };
}

export function failure({ code, message }: { readonly code: number; readonly message: string }): Outcome {
  return { error: { code, text: message.split("\n", 1)[0] ?? "" } };
}
