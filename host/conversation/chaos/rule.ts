import type { CodeName } from "../../../proto/codes.ts";
import type { Direction } from "../format/conversation.ts";

/** Fate of a request or response. */
export type Action =
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "drop" }
  | { readonly kind: "duplicate" }
  /** Passes this many bytes of the message, then closes the connection. */
  | { readonly kind: "cut"; readonly bytes: number }
  /** Answers the call with an error. */
  | { readonly kind: "fail"; readonly code: CodeName; readonly text: string }
  /** Sends SIGKILL to a process, then passes the message. */
  | { readonly kind: "kill"; readonly pid: number };

/** Conditions that a request or response has to meet, and the action. */
export interface Rule {
  /** The rule in the words of the user. */
  readonly text: string;
  /** Method, such as "ReadStdout". Undefined for any. */
  readonly call: string | undefined;
  readonly direction: Direction | "both";
  /** Number of the connection, from 1. */
  readonly conn: number | undefined;
  /** Only this one of the messages that meet the conditions above, from 1. */
  readonly nth: number | undefined;
  /** Probability, for those that meet all other conditions. */
  readonly chance: number;
  readonly action: Action;
}
