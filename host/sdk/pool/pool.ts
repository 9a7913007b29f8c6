import { type CallLimits, limited } from "../call/limits.ts";
import { SandboxError } from "../error/sandbox-error.ts";

/** A sandbox as a pool sees it. */
export interface Pooled {
  /** Aborted once it has ended. */
  readonly ended: AbortSignal;
  /** Ends it. */
  stop(): Promise<void>;
}

export interface PoolSettings<Item extends Pooled> {
  /** Number to keep ready. */
  readonly size: number;
  /** Most that may exist at once: those ready, those being made and those taken that haven't ended. */
  readonly max: number;
  /** Most to make at the same time. */
  readonly starts: number;
  /** Makes one, fast if takes wait. */
  create(signal: AbortSignal, isAwaited: boolean): Promise<Item>;
}

interface Waiting<Item> {
  resolve(item: Item): void;
  reject(error: unknown): void;
}

/**
 * Keeps sandboxes ready and replaces those taken. Whoever takes one owns it. A failure to make one is reported to the take
 * that has waited longest; without any, making is tried again at the next take.
 */
export class Pool<Item extends Pooled> implements AsyncDisposable {
  readonly #settings: PoolSettings<Item>;
  readonly #ready: Item[] = [];
  readonly #waiting: Waiting<Item>[] = [];
  readonly #closing = new AbortController();
  readonly #starting = new Set<Promise<void>>();
  /** Taken and not ended. */
  #taken = 0;
  #hasFailed = false;

  constructor(settings: PoolSettings<Item>) {
    this.#settings = settings;
    this.#fill();
  }

  /** Number of sandboxes that a take gets at once. */
  get ready(): number {
    return this.#ready.length;
  }

  /** Returns a ready sandbox, or waits for one. Rejects if it can't be made, or the pool is closed. */
  take(limits: CallLimits = {}): Promise<Item> {
    return limited("take a sandbox from the pool", limits, (signal) => {
      if (this.#closing.signal.aborted) throw closed();
      const item = this.#ready.shift();
      this.#hasFailed = false;
      if (item !== undefined) {
        this.#own(item);
        this.#fill();
        return Promise.resolve(item);
      }
      const { promise, ...waiting } = Promise.withResolvers<Item>();
      this.#waiting.push(waiting);
      signal.addEventListener("abort", () => this.#leave(waiting, signal.reason), { once: true });
      this.#fill();
      return promise;
    });
  }

  /** Stops the sandboxes that are ready or being made; those taken stay. Waiting takes reject. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
    await Promise.all([...this.#starting, ...this.#ready.splice(0).map((item) => item.stop())]);
  }

  /** Closes the pool. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #leave(waiting: Waiting<Item>, reason: unknown): void {
    const at = this.#waiting.indexOf(waiting);
    if (at >= 0) this.#waiting.splice(at, 1);
    waiting.reject(reason);
  }

  #fill(): void {
    const { size, max, starts } = this.#settings;
    const isWanted = () => this.#starting.size + this.#ready.length < size + this.#waiting.length;
    const hasRoom = () => this.#starting.size + this.#ready.length + this.#taken < max && this.#starting.size < starts;
    while (!this.#closing.signal.aborted && !this.#hasFailed && isWanted() && hasRoom()) this.#start();
  }

  #start(): void {
    const start = this.#settings
      .create(this.#closing.signal, this.#waiting.length > 0)
      .then(
        (item) => this.#place(item),
        (error: unknown) => {
          const waiting = this.#waiting.shift();
          if (waiting === undefined) this.#hasFailed = true;
          else waiting.reject(error);
        },
      )
      .finally(() => {
        this.#starting.delete(start);
        this.#fill();
      });
    this.#starting.add(start);
  }

  async #place(item: Item): Promise<void> {
    if (this.#closing.signal.aborted) return item.stop();
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      this.#own(item);
      waiting.resolve(item);
      return;
    }
    this.#ready.push(item);
    item.ended.addEventListener("abort", () => this.#replace(item), { once: true });
  }

  /** Replaces a ready sandbox that has died. */
  #replace(item: Item): void {
    const at = this.#ready.indexOf(item);
    if (at < 0) return;
    this.#ready.splice(at, 1);
    this.#fill();
  }

  #own(item: Item): void {
    this.#taken++;
    const release = () => {
      this.#taken--;
      this.#fill();
    };
    if (item.ended.aborted) release();
    else item.ended.addEventListener("abort", release, { once: true });
  }
}

function closed(): SandboxError {
  return new SandboxError("stopped", "take a sandbox from the pool: the pool was closed", {
    remedy: "open another pool",
  });
}
