import { setImmediate } from "node:timers/promises";

/** How long calls are begun and answered before timers and other connections have their turn, ms. */
const TURN_MS = 10;

/**
 * Begins and answers calls, first come first served, in turns of the event loop: however many come or end at once, of
 * however many connections, heartbeats and other work are not kept waiting for longer than one call takes.
 */
class Turns {
  readonly #waiting: (() => void)[] = [];
  /** When the turn under way is over, by performance.now(); 0: none is. */
  #end = 0;
  #busy = false;

  /** Runs `work` now if this turn has time left and nothing else waits, else later. It must not throw. */
  run(work: () => void): void {
    this.#waiting.push(work);
    if (!this.#busy) void this.#serve();
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => this.run(resolve));
  }

  async #serve(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      if (this.#end === 0) this.#begin();
      if (performance.now() < this.#end) {
        this.#waiting.shift()?.();
        await undefined; // what a handler does next counts, too
      } else await setImmediate();
    }
    this.#busy = false;
  }

  #begin(): void {
    this.#end = performance.now() + TURN_MS;
    void setImmediate().then(() => {
      this.#end = 0;
    });
  }
}

/** One for all connections, as they have one event loop. */
export const turns = new Turns();
