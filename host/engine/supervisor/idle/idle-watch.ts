/** Number of checks in each limit, and bounds of the milliseconds between them. */
const PARTS = 10;
const [MIN_MS, MAX_MS] = [50, 5000];

export interface IdleWatchOptions {
  /** Returns the milliseconds without use after which the guest is idle; 0: never. */
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
    const limitMs = this.#limit();
    const everyMs = limitMs === 0 ? MAX_MS : Math.min(Math.max(limitMs / PARTS, MIN_MS), MAX_MS);
    return setTimeout(() => void this.#look(), everyMs).unref();
  }

  /** A limit that can't be read is none. */
  #limit(): number {
    try {
      return this.#options.limitMs();
    } catch {
      return 0;
    }
  }

  async #look(): Promise<void> {
    const { isUsed, onIdle } = this.#options;
    const limitMs = this.#limit();
    const used = limitMs === 0 || (await isUsed().catch(() => true)); // it may be ending
    if (used) this.#since = Math.max(this.#since, performance.now());
    else if (performance.now() - this.#since >= limitMs) {
      await onIdle();
      this.#since = Math.max(this.#since, performance.now());
    }
    if (this.#since < Number.POSITIVE_INFINITY) this.#timer = this.#later();
  }
}
