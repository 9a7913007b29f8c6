import { DecodeError } from "../../proto/codec.ts";
import { AgentError, type ErrorKind } from "../kernel/error.ts";

/** gRPC codes, the only numbers that leave the agent. */
export const CODES = {
  ok: 0,
  canceled: 1,
  unknown: 2,
  "invalid-argument": 3,
  "deadline-exceeded": 4,
  "not-found": 5,
  "already-exists": 6,
  "permission-denied": 7,
  "resource-exhausted": 8,
  "failed-precondition": 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const satisfies Record<ErrorKind | "ok" | "unknown", number>;

/** Longest message of a status, in characters: more helps nobody, and a request may hold megabytes of name. */
const MAX_MESSAGE = 4096;

export interface RpcStatus {
  readonly code: number;
  readonly message: string;
}

/** The status of a failed call: one line, no stack. The cause stays inside, for the log. */
export function toStatus(error: unknown): RpcStatus {
  if (error instanceof AgentError) return status(error.kind, error.message);
  if (error instanceof DecodeError) return status("unknown", error.message);
  return status("internal", error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`);
}

/** A status of our own making, its message cut to one line of bounded length. */
export function status(kind: keyof typeof CODES, message: string): RpcStatus {
  const line = message
    .slice(0, MAX_MESSAGE + 1)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim();
  return { code: CODES[kind], message: line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line };
}
