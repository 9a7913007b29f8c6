import { setTimeout as sleep } from "node:timers/promises";

export interface RetryOptions {
  /** First pause, ms; each one is twice as long as the one before. Default: 100. */
  readonly firstMs?: number;
  /** Longest pause, ms. Default: 5 s. */
  readonly mostMs?: number;
  /** How long attempts may fail, ms; 0 allows one. Default: a minute. */
  readonly limitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Attempts that follow each other with growing pauses, until they have failed for too long. */
export class Retry {
  static readonly LIMIT_MS = 60_000;
  /** May change between attempts. */
  limitMs: number;
  readonly #firstMs: number;
  readonly #mostMs: number;
  readonly #signal: AbortSignal | undefined;
  #pauseMs: number;
  /** When the attempts began to fail; undefined after one that succeeded. */
  #since: number | undefined = performance.now();

  constructor({ firstMs = 100, mostMs = 5000, limitMs = Retry.LIMIT_MS, signal }: RetryOptions = {}) {
    this.limitMs = limitMs;
    this.#firstMs = this.#pauseMs = firstMs;
    this.#mostMs = mostMs;
    this.#signal = signal;
  }

  /** Begins anew: the next failure is the first one. */
  succeeded(): void {
    this.#since = undefined;
    this.#pauseMs = this.#firstMs;
  }

  /** Time that is left for attempts, ms. */
  get leftMs(): number {
    return this.#since === undefined ? this.limitMs : this.limitMs - (performance.now() - this.#since);
  }

  /** Notes that an attempt has failed; true if no other one may follow. */
  failed(): boolean {
    this.#since ??= performance.now();
    return this.leftMs <= 0;
  }

  /** Resolves when the next attempt may begin. Rejects with the signal's reason. */
  async pause(): Promise<void> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    await sleep(this.#pauseMs, undefined, { ...(signal && { signal }) }).catch(() => signal?.throwIfAborted());
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#mostMs);
  }
}
