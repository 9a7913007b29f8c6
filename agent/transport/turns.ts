/** How long calls are begun and answered before timers and other connections have their turn, ms. */
const TURN_MS = 10;
/** Cheaper than queueMicrotask, which makes a resource of async_hooks. */
const SOON = Promise.resolve();

/**
 * Begins and answers calls, first come first served, in turns of the event loop: however many come or end at once, of
 * however many connections, heartbeats and other work are not kept waiting for longer than one call takes.
 */
class Turns {
  readonly #waiting: (() => void)[] = [];
  /** When the event loop is to have its turn, by performance.now(). */
  #end = 0;
  #busy = false;
  readonly #serve = () => this.#serveOne();
  readonly #begin = () => {
    this.#end = performance.now() + TURN_MS;
    this.#serveOne();
  };

  /** Runs `work` now if this turn has time left and nothing else waits, else later. It must not throw. */
  run(work: () => void): void {
    this.#waiting.push(work);
    if (this.#busy) return;
    this.#busy = true;
    this.#serveOne();
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => this.run(resolve));
  }

  /** Before the next call the promises of this one have their turn: what a handler does next counts, too. */
  #serveOne(): void {
    if (this.#waiting.length === 0) this.#busy = false;
    else if (performance.now() >= this.#end) setImmediate(this.#begin);
    else {
      this.#waiting.shift()?.();
      void SOON.then(this.#serve);
    }
  }
}

/** One for all connections, as they have one event loop. */
export const turns = new Turns();
