import { AgentError } from "../kernel/error.ts";

/** Events kept until a host asks for them; beyond this the oldest are dropped. */
const MAX_QUEUED = 1024;

/** Queues the ids of containers in which the kernel killed a process for lack of memory. Each event goes to one caller. */
export class OomEvents {
  readonly #queue: string[] = [];
  readonly #callers: { readonly give: (id: string) => void; readonly fail: (error: unknown) => void }[] = [];
  #closed = false;

  push(containerId: string): void {
    const caller = this.#callers.shift();
    if (caller !== undefined) caller.give(containerId);
    else if (this.#queue.push(containerId) > MAX_QUEUED) this.#queue.shift();
  }

  /** Puts back an event whose answer did not reach its caller: the next caller gets it first. */
  giveBack(containerId: string): void {
    const caller = this.#callers.shift();
    if (caller !== undefined) caller.give(containerId);
    else this.#queue.unshift(containerId);
  }

  /** Resolves with the next event's container id. Only the caller's signal, or `close`, ends the wait. */
  next(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#closed) return Promise.reject(closedError());
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const caller = { give: resolve, fail: reject };
    this.#callers.push(caller);
    const abort = () => {
      const at = this.#callers.indexOf(caller);
      if (at >= 0) this.#callers.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }

  close(): void {
    this.#closed = true;
    for (const caller of this.#callers.splice(0)) caller.fail(closedError());
  }
}

function closedError(): AgentError {
  return new AgentError("internal", "get OOM event: the sandbox has ended");
}
