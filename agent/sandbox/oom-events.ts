import { AgentError } from "../kernel/error.ts";

/** Events that nobody asked for yet; older ones are dropped beyond this. */
const MAX_QUEUED = 1024;

/** Containers in which the kernel killed for lack of memory, in order, each event given to one asker. */
export class OomEvents {
  readonly #queue: string[] = [];
  readonly #askers: { readonly give: (id: string) => void; readonly fail: (error: unknown) => void }[] = [];
  #closed = false;

  push(containerId: string): void {
    const asker = this.#askers.shift();
    if (asker !== undefined) asker.give(containerId);
    else if (this.#queue.push(containerId) > MAX_QUEUED) this.#queue.shift();
  }

  /** An event that did not reach its asker goes to the next one. */
  giveBack(containerId: string): void {
    const asker = this.#askers.shift();
    if (asker !== undefined) asker.give(containerId);
    else this.#queue.unshift(containerId);
  }

  /** Waits for the next event, without limit but the caller's signal. */
  next(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#closed) return Promise.reject(closedError());
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const asker = { give: resolve, fail: reject };
    this.#askers.push(asker);
    const abort = () => {
      const at = this.#askers.indexOf(asker);
      if (at >= 0) this.#askers.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }

  close(): void {
    this.#closed = true;
    for (const asker of this.#askers.splice(0)) asker.fail(closedError());
  }
}

function closedError(): AgentError {
  return new AgentError("internal", "get OOM event: the sandbox has ended");
}
