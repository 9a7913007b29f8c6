import { stat } from "node:fs";

/**
 * Has Node load and compile now what the first calls need of it, while no call waits: its clock (nine modules), signals that
 * end calls, the threads of libuv. The code cache holds the agent's own functions, but none of Node's.
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
