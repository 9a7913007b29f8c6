import { CODES, type CodeName, codeName } from "../../proto/codes.ts";
import { truncate, visible } from "../visible.ts";
import { type AnswerReason, reasonIn } from "./answer-reason.ts";

/** Reasons of the agent why the target of a forward can't be connected to. */
const REFUSALS = [
  "refused",
  "unreachable",
  "timeout",
  "no-container",
  "no-file",
  "not-a-socket",
  "no-access",
  "in-use",
] as const;

/**
 * Name of a gRPC code; or of guestd.v1.Streams: the refusal of a forward's target; "unreachable" if the first connection failed,
 * "cut" if a connection was lost, "taken-over" by another client, "gap" if input could not be written.
 */
export type ErrorKind = CodeName | (typeof REFUSALS)[number] | "cut" | "taken-over" | "gap";

/**
 * Error of a failed call or stream: returned by the agent, or raised because it couldn't be sent or finished. One line; never
 * means that a process has ended.
 */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** gRPC code; UNKNOWN for a kind that gRPC doesn't have. */
  readonly code: number;
  /** Such as "not-found". */
  readonly kind: ErrorKind;
  /** Set if the agent gave one. */
  readonly reason: AnswerReason | undefined;

  constructor(
    kind: number | ErrorKind,
    message: string,
    { reason, ...options }: ErrorOptions & { readonly reason?: AnswerReason | undefined } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.code = typeof kind === "number" ? kind : isCodeName(kind) ? CODES[kind] : CODES.unknown;
    this.kind = typeof kind === "number" ? codeName(kind) : kind;
  }
}

/** Returns the error for an agent's answer: truncated, without control characters, and with a known code. */
export function answeredError(code: number, message: string): RpcError {
  const kind = codeName(code);
  const line = visible(truncate(message));
  return new RpcError(kind === "ok" ? "unknown" : kind, line, { reason: reasonIn(line) });
}

/** True if an agent may report the kind as the refusal of a forward's target. */
export const isRefusal = (kind: string): kind is (typeof REFUSALS)[number] => REFUSALS.some((each) => each === kind);

/** True if gRPC has a code of this name. */
export const isCodeName = (kind: string): kind is CodeName => Object.hasOwn(CODES, kind);

/** True for errors that another connection may not have. A guest that is quiesced for a snapshot is "unavailable" for a while. */
export const isPassing = (error: unknown): error is RpcError =>
  error instanceof RpcError && (error.kind === "cut" || error.kind === "unavailable");
