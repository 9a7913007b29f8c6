import { stat } from "node:fs";
import { diagnostics } from "../transport/diagnostics.ts";

/** Without a call, the first agent warms Node after this time. */
const NO_CALL_MS = 1000;

/**
 * Calls `warm` once the first answer is sent, which then doesn't wait for it, or after a second without a call. During the code
 * cache's warm-up timers as long never fire, so that its content doesn't depend on times.
 */
export function afterFirstAnswer(warm: () => void, calls = diagnostics.call): void {
  const begin = () => {
    clearTimeout(timer);
    calls.unsubscribe(begin);
    setImmediate(warm);
  };
  const timer = setTimeout(begin, NO_CALL_MS).unref();
  calls.subscribe(begin);
}

/**
 * Makes Node load and compile the parts that the first calls need while no call waits: its clock (nine modules), abort signals and
 * libuv's threads. The code cache holds the agent's own functions, but none of Node's.
 */
export function warmNode(): void {
  performance.now();
  const controller = new AbortController();
  const signal = AbortSignal.any([controller.signal]);
  signal.throwIfAborted();
  signal.addEventListener("abort", () => undefined, { once: true });
  controller.abort();
  stat("/", () => undefined);
}
