import { stat } from "node:fs";

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
