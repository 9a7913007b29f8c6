import { RpcError } from "../rpc-error.ts";
import { type ReconnectOptions, Reconnects } from "./reconnects.ts";

/** Longest answer of the agent to one attempt: it gives the target of a forward 10 s. */
const ANSWER_MS = 15_000;

/** Repeats an attempt to reach the agent until it succeeds, is refused, or time is up. */
export async function repeat<T>(options: ReconnectOptions, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal } = options;
  const reconnects = new Reconnects({ firstMs: 50, mostMs: 1000, waits: true, ...options });
  for (;;) {
    const late = AbortSignal.timeout(ANSWER_MS);
    try {
      return await attempt(signal === undefined ? late : AbortSignal.any([late, signal]));
    } catch (error) {
      signal?.throwIfAborted();
      reconnects.lost(late.aborted ? new RpcError("cut", "no answer") : error);
    }
    await reconnects.pause();
  }
}
