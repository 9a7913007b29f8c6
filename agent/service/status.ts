import { DecodeError } from "../../proto/codec.ts";
import { CODES } from "../../proto/codes.ts";
import { AgentError, type ErrorKind } from "../kernel/error.ts";

/** Longest status message, in characters. A request may hold a name of megabytes. */
const MAX_MESSAGE = 4096;

export interface RpcStatus {
  readonly code: number;
  readonly message: string;
}

/** Maps an error to the status of a failed call: one line, no stack, no cause (which goes to the log). */
export function toStatus(error: unknown): RpcStatus {
  if (error instanceof AgentError) return status(error.kind, error.message);
  if (error instanceof DecodeError) return status("unknown", error.message);
  return status("internal", error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`);
}

/** Returns a status whose message is truncated to one line of bounded length. */
export function status(kind: ErrorKind | "unknown", message: string): RpcStatus {
  const line = message
    .slice(0, MAX_MESSAGE + 1)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim();
  return { code: CODES[kind], message: line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line };
}
