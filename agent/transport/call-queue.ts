import { yieldToEventLoop } from "../../lib/yield-to-event-loop.ts";

/** Cheaper than queueMicrotask, which creates an async_hooks resource. */
const SOON = Promise.resolve();

/**
 * Starts and answers calls first come, first served, and yields to the event loop every 10 ms. However many calls arrive or
 * end at once, on however many connections, heartbeats and other work wait no longer than one call takes.
 */
class CallQueue {
  readonly #waiting: (() => void)[] = [];
  readonly #pause = yieldToEventLoop();
  #busy = false;
  readonly #serve = () => this.#serveNext();

  /** Runs `work` now if the queue is idle and the time slice isn't used up, otherwise later. `work` must not throw. */
  run(work: () => void): void {
    this.#waiting.push(work);
    if (this.#busy) return;
    this.#busy = true;
    this.#serveNext();
  }

  /** Resolves when the caller reaches the head of the queue. */
  next(): Promise<void> {
    return new Promise((resolve) => this.run(resolve));
  }

  /** Lets the promises of one call settle before the next one: what a handler does then counts against the slice too. */
  #serveNext(): void {
    if (this.#waiting.length === 0) {
      this.#busy = false;
      return;
    }
    const pause = this.#pause();
    if (pause === undefined) {
      this.#waiting.shift()?.();
      void SOON.then(this.#serve);
    } else void pause.then(this.#serve);
  }
}

/** The queue of all connections: they share one event loop. */
export const callQueue = new CallQueue();
