import { stat } from "node:fs";
import { diagnostics } from "../transport/diagnostics.ts";

/** Without a call, the first agent warms Node after this time. */
const NO_CALL_MS = 1000;

/**
 * Calls `warm` once the first answer is written, which then doesn't wait for it, or after a second without a call. It is before the
 * next call in any case: the content of the code cache must not depend on times, and timers as long never fire in its warm-up.
 */
export function afterFirstAnswer(warm: () => void, calls = diagnostics.call): void {
  const begin = () => {
    clearTimeout(timer);
    calls.unsubscribe(begin);
    process.nextTick(warm); // an answer is reported, then written
  };
  const timer = setTimeout(begin, NO_CALL_MS).unref();
  calls.subscribe(begin);
}

/**
 * Makes Node load and compile the parts that the first calls need while no call waits: abort signals and libuv's threads. The
 * code cache holds the agent's own functions, but none of Node's.
 */
export function warmNode(): void {
  const controller = new AbortController();
  const signal = AbortSignal.any([controller.signal]);
  signal.throwIfAborted();
  signal.addEventListener("abort", () => undefined, { once: true });
  controller.abort();
  stat("/", () => undefined);
}
