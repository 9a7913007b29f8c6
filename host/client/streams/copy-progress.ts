import { setTimeout as sleep } from "node:timers/promises";
import { RpcError } from "../rpc-error.ts";
import { LostLink } from "./copy-link.ts";
import type { CopyOptions } from "./copy-options.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
const GIVE_UP_MS = 60_000;

/** Counts what was copied, and connects again after a disconnection. */
export class CopyProgress {
  members = 0;
  /** Bytes of the whole copy, if they are known. */
  total: number | undefined;
  readonly #options: CopyOptions;
  #bytes = 0;
  #isConnected = false;
  #wasConnected = false;

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  addBytes(count: number): void {
    this.#bytes += count;
    this.#options.onProgress?.(this.#bytes, this.members, this.total);
  }

  setMembers(members: number): void {
    this.members = members;
    this.#options.onProgress?.(this.#bytes, this.members, this.total);
  }

  /** To be called by each session whose connection the agent has answered. */
  isConnected(): void {
    this.#isConnected = true;
    this.#wasConnected = true;
  }

  /**
   * Calls `session` until one isn't cut off. A refusal of a later connection counts as a cut: while a guest is quiesced for
   * a snapshot, it is "unavailable". Rejects with the other errors of `session`, or with RpcError "cut".
   */
  async untilDone<T>(session: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { giveUpMs = GIVE_UP_MS, onDisconnect, signal = new AbortController().signal } = this.#options;
    let [pause, lastConnected] = [FIRST_PAUSE_MS, performance.now()];
    for (;;) {
      signal.throwIfAborted();
      this.#isConnected = false;
      try {
        return await session(signal);
      } catch (error) {
        signal.throwIfAborted();
        const isRefusedLater = error instanceof RpcError && error.kind === "unavailable" && this.#isContinuing;
        if (!(error instanceof LostLink || isRefusedLater)) throw error;
        if (error instanceof LostLink && error.isUnreachable && !this.#wasConnected)
          throw new RpcError("unavailable", `copy: ${error.message}`);
        if (this.#isConnected) [pause, lastConnected] = [FIRST_PAUSE_MS, performance.now()];
        if (performance.now() - lastConnected > giveUpMs) throw this.cut(error.message);
        onDisconnect?.(error.message);
      }
      await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
    }
  }

  /** True for a connection after the first that the agent has answered, until it has answered this one. */
  get #isContinuing(): boolean {
    return this.#wasConnected && !this.#isConnected;
  }

  cut(reason: string): RpcError {
    const line = `copy: cut after ${this.#bytes} bytes and ${this.members} members: ${reason}; copy again`;
    return new RpcError("cut", line);
  }
}
