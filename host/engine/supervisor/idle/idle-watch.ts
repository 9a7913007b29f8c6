/** Number of checks in each limit, and bounds of the milliseconds between them. */
const PARTS = 10;
const [MIN_MS, MAX_MS] = [50, 5000];

export interface IdleWatchOptions {
  /** Returns for how many milliseconds a guest must not be used; 0: never mind. */
  limitMs(): number;
  /** True if the guest was used since the last call. */
  isUsed(): Promise<boolean>;
  /** Called after each limit without use; time counts again once it has resolved. */
  onIdle(): Promise<void>;
}

/** Checks a guest's use until disposal. */
export class IdleWatch implements Disposable {
  readonly #options: IdleWatchOptions;
  #timer: NodeJS.Timeout;
  #since = performance.now();

  constructor(options: IdleWatchOptions) {
    this.#options = options;
    this.#timer = this.#later();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#since = Number.POSITIVE_INFINITY;
  }

  #later(): NodeJS.Timeout {
    const everyMs = Math.min(Math.max(this.#options.limitMs() / PARTS, MIN_MS), MAX_MS);
    return setTimeout(() => void this.#look(), everyMs).unref();
  }

  async #look(): Promise<void> {
    const { isUsed, onIdle } = this.#options;
    const limitMs = this.#options.limitMs();
    const used = limitMs === 0 || (await isUsed().catch(() => true)); // it may be ending
    if (used) this.#since = Math.max(this.#since, performance.now());
    else if (performance.now() - this.#since >= limitMs) {
      await onIdle();
      this.#since = Math.max(this.#since, performance.now());
    }
    if (this.#since < Number.POSITIVE_INFINITY) this.#timer = this.#later();
  }
}
