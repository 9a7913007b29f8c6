/** Repeats work, one period after the end of the last run. The timer doesn't keep the process alive. */
export class Periodic {
  readonly #work: (signal: AbortSignal) => Promise<void>;
  #stop = new AbortController();

  /** Ignores rejections: the work reports its own failures. */
  constructor(work: (signal: AbortSignal) => Promise<void>) {
    this.#work = work;
  }

  /** Restarts with another period, or stops if it is undefined. Aborts work in progress. */
  set(periodMs: number | undefined): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    if (periodMs !== undefined) this.#wait(periodMs, this.#stop.signal);
  }

  #wait(periodMs: number, signal: AbortSignal): void {
    const timer = setTimeout(() => {
      const again = () => {
        if (!signal.aborted) this.#wait(periodMs, signal);
      };
      this.#work(signal).then(again, again);
    }, periodMs).unref();
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }
}
