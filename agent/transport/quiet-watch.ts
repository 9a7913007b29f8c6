/** How long the rest of a request may stay silent; a client that sends a request in one go is never that late. */
export const QUIET_MS = 30_000;
const CHECKS = 6;

/**
 * Calls back when nothing was heard for a while. Counts its own checks instead of reading a clock: a guest that was suspended
 * or paused, however long, loses one check, and whatever arrived meanwhile is heard before the next.
 */
export class QuietWatch {
  readonly #everyMs: number;
  readonly #onQuiet: () => void;
  #timer: NodeJS.Timeout | undefined;
  #checks = 0;

  constructor(quietMs: number, onQuiet: () => void) {
    this.#everyMs = quietMs / CHECKS;
    this.#onQuiet = onQuiet;
  }

  /** Starts or restarts the watch. */
  heard(): void {
    this.#checks = 0;
    this.#timer ??= setInterval(() => this.#check(), this.#everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    if (++this.#checks < CHECKS) return;
    this.stop();
    this.#onQuiet();
  }
}
