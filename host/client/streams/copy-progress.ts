import type { CopyOptions } from "./copy-options.ts";
import { Reconnects } from "./reconnects.ts";

/** Counts what was copied, and connects again after a disconnection. */
export class CopyProgress {
  members = 0;
  /** Bytes of the whole copy, if they are known. */
  total: number | undefined;
  /** Told of each answer of the agent, by the session that has got it. */
  readonly reconnects: Reconnects;
  readonly #options: CopyOptions;
  #bytes = 0;

  constructor(options: CopyOptions) {
    const { giveUpMs: limitMs, signal } = options;
    this.#options = options;
    this.reconnects = new Reconnects({ name: () => "copy", cut: (reason) => this.cutAt(reason), limitMs, signal });
  }

  addBytes(count: number): void {
    this.#bytes += count;
    this.#options.onProgress?.(this.#bytes, this.members, this.total);
  }

  setMembers(members: number): void {
    this.members = members;
    this.#options.onProgress?.(this.#bytes, this.members, this.total);
  }

  /** Calls `session` until one isn't cut off. Rejects with the other errors of `session`, or with RpcError. */
  async untilDone<T>(session: () => Promise<T>): Promise<T> {
    const { onDisconnect, signal } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await session();
      } catch (error) {
        signal?.throwIfAborted();
        const { message } = this.reconnects.lost(error);
        onDisconnect?.(message);
      }
      await this.reconnects.pause();
    }
  }

  cutAt(reason: string): string {
    return `copy: cut after ${this.#bytes} bytes and ${this.members} members: ${reason}; copy again`;
  }
}
