import { setTimeout as sleep } from "node:timers/promises";
import { DialError } from "../dial.ts";
import { isPassing, RpcError } from "../rpc-error.ts";

export interface ReconnectOptions {
  /** Operation, for messages. */
  name(): string;
  /** Line of the error when connections have failed for too long. */
  cut?(reason: string): string;
  /** First pause, ms; each one is twice as long as the one before. Default: 100. */
  readonly firstMs?: number;
  /** Longest pause, ms. Default: 5 s. */
  readonly mostMs?: number;
  /** How long connections may fail, ms; 0 allows one. Default: a minute. */
  readonly limitMs?: number | undefined;
  /** How long they may fail before the agent's first answer, ms. Default: `limitMs`. */
  readonly firstLimitMs?: number | undefined;
  /** Connects again although the very first connection fails or is refused for a while. */
  readonly waits?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Decides whether another connection follows one that was lost, and when. */
export class Reconnects {
  readonly #options: ReconnectOptions;
  readonly #firstMs: number;
  #pauseMs: number;
  #limitMs: number;
  /** When connections began to fail; undefined while the agent answers. */
  #since: number | undefined = performance.now();
  #isAnswered = false;
  #mayRepeat: boolean;

  constructor(options: ReconnectOptions) {
    const { firstMs = 100, limitMs = 60_000, firstLimitMs = limitMs, waits = false } = options;
    this.#options = options;
    this.#firstMs = this.#pauseMs = firstMs;
    this.#limitMs = firstLimitMs;
    this.#mayRepeat = waits;
  }

  /** Time that is left for the agent to answer, ms. */
  get leftMs(): number {
    return this.#limitMs - (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  /** To be called when the agent has answered on the present connection. */
  answered(): void {
    this.#isAnswered = true;
    this.#limitMs = this.#options.limitMs ?? 60_000;
    this.#since = undefined;
    this.#pauseMs = this.#firstMs;
  }

  /**
   * Takes note that a connection has ended. Returns its error if another connection may follow; otherwise throws it, or RpcError
   * "unreachable" or "cut".
   */
  lost(error: unknown): RpcError {
    const wasAnswered = this.#isAnswered;
    this.#isAnswered = false;
    if (!isPassing(error)) throw error;
    const { name, cut = (reason) => `${name()}: the connection was lost: ${reason}` } = this.#options;
    const isUnreachable = error.cause instanceof DialError;
    if (!this.#mayRepeat && isUnreachable)
      throw new RpcError("unreachable", `${name()}: ${error.message}`, { cause: error });
    if (error.kind === "unavailable" && (wasAnswered || !this.#mayRepeat)) throw error;
    this.#mayRepeat = true;
    this.#since ??= performance.now();
    if (this.leftMs <= 0) throw new RpcError("cut", cut(error.message), { cause: new Error(error.message) });
    return error;
  }

  /** Resolves when the next connection may begin, at the latest after `mostMs`. Rejects with the signal's reason. */
  async pause(mostMs = this.#options.mostMs ?? 5000): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const pauseMs = Math.min(this.#pauseMs, mostMs);
    await sleep(pauseMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    this.#pauseMs = Math.min(pauseMs * 2, mostMs);
  }
}
