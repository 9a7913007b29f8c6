/** Work that is done again and again, a period after its last end. Its timer keeps no process alive. */
export class Periodic {
  readonly #work: (signal: AbortSignal) => Promise<void>;
  #stop = new AbortController();

  /** What the work rejects with is for itself to tell. */
  constructor(work: (signal: AbortSignal) => Promise<void>) {
    this.#work = work;
  }

  /** Begins anew with another period; undefined: not any more. What is under way is given up. */
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
