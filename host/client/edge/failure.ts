import { truncate } from "../../visible.ts";
import { isCodeName, isRefusal, RpcError } from "../rpc-error.ts";
import { answers } from "./stream-messages.ts";

/** Returns the error that a frame of an agent reports, as one line for a terminal. */
export function failureIn(payload: Uint8Array): RpcError {
  const { kind, message } = answers.failure.decode(payload);
  return new RpcError(isCodeName(kind) ? kind : "unknown", truncate(message));
}

/** Returns the refusal of a forward's target that a frame of an agent reports. */
export function refusalIn(payload: Uint8Array): RpcError {
  const { type, message } = answers.forwardRefusal.decode(payload);
  return new RpcError(isRefusal(type) ? type : "unknown", truncate(message));
}
