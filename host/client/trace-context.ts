import { AsyncLocalStorage } from "node:async_hooks";

/** W3C `traceparent` of the operation that runs in this asynchronous context. */
const current = new AsyncLocalStorage<string>();

/** Runs `work` as a part of a trace: its calls to agents carry the trace context. */
export function withTraceparent<T>(traceparent: string, work: () => T): T {
  return current.run(traceparent, work);
}

/** Returns the trace context that calls made now carry; undefined outside of a traced operation. */
export function currentTraceparent(): string | undefined {
  return current.getStore();
}
