import { setImmediate } from "node:timers/promises";

const WORK_MS = 10;

/** Returns a function to await inside long loops; it yields to the event loop every 10 ms. */
export function yieldToEventLoop(): () => Promise<void> | undefined {
  let end = performance.now() + WORK_MS;
  return () => {
    if (performance.now() < end) return undefined;
    return setImmediate().then(() => {
      end = performance.now() + WORK_MS;
    });
  };
}
