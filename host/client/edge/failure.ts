import type { StreamFrame } from "../../../proto/stream-frame.ts";
import { truncate } from "../../visible.ts";
import { reasonIn } from "../answer-reason.ts";
import { isCodeName, isRefusal, RpcError } from "../rpc-error.ts";
import { answers } from "./stream-messages.ts";

/** Returns the error that a frame of an agent reports, as one line for a terminal. */
export function failureIn(payload: Uint8Array): RpcError {
  const { kind, message } = answers.failure.decode(payload);
  const line = truncate(message);
  return new RpcError(isCodeName(kind) ? kind : "unknown", line, { reason: reasonIn(line) });
}

/** Throws the error that a frame of an agent reports, or the refusal of a forward's target. */
export function throwIfError({ type, payload }: StreamFrame): void {
  if (type === "error") throw failureIn(payload);
  if (type === "forwardRefused") throw refusalIn(payload);
}

function refusalIn(payload: Uint8Array): RpcError {
  const { type, message } = answers.forwardRefusal.decode(payload);
  return new RpcError(isRefusal(type) ? type : "unknown", truncate(message));
}
