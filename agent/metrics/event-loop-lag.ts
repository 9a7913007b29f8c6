/** Sampling interval. monitorEventLoopDelay would wake an idle guest a hundred times a second. */
const PERIOD_MS = 1000;

/**
 * Measures how late a timer fires. Starts with the first `take`, so an agent that is never scraped never wakes for it.
 */
export class EventLoopLag {
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #worst = 0;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Returns the worst lag since the last call in seconds, undefined on the first call. A timer that is overdue counts.
   */
  take(): number | undefined {
    if (this.#timer === undefined) {
      this.#start();
      return undefined;
    }
    const worst = Math.max(this.#worst, this.#now() - this.#due, 0);
    this.#worst = 0;
    return worst / 1000;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#worst = 0;
    this.#due = this.#now() + PERIOD_MS;
    this.#timer = setInterval(() => {
      const now = this.#now();
      this.#worst = Math.max(this.#worst, now - this.#due);
      this.#due = now + PERIOD_MS;
    }, PERIOD_MS).unref();
  }
}
