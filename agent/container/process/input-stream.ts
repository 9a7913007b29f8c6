import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";

const CLOSED = new AgentError("internal", "write to stdin: it is closed");

/**
 * How far a write has come, for the agent after this one: odd when (progress - 1) / 2 bytes are written, even and not 0 when the
 * rest after progress / 2 - 1 bytes is being written: of that it can't be known whether it is in the pipe, and it counts as written.
 */
interface WriteNotes {
  readonly progress?: number;
  note?(progress: number): void;
}

/** The stdin of a process, non-blocking: the write end of a pipe, which this object owns, or a pty master, which it only borrows. */
export class InputStream {
  readonly #sys: Sys;
  readonly #terminal: boolean;
  readonly #closed = new AbortController();
  #fd: Fd | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** Without a descriptor: it was closed before the agent was started again. */
  constructor(sys: Sys, fd: Fd | undefined, terminal: boolean) {
    this.#sys = sys;
    this.#fd = fd;
    this.#terminal = terminal;
  }

  /** Writes all of it, in order of the calls, and waits while the pipe is full. */
  write(data: Uint8Array, signal: AbortSignal, notes?: WriteNotes): Promise<void> {
    return this.#inTurn(() => this.#writeNow(data, signal, notes));
  }

  /**
   * End of input, after the writes that were asked for before: a pipe is closed; a terminal gets its end-of-file
   * character (^D), as a person would type it.
   */
  end(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#fd === undefined) return;
      if (this.#terminal) await this.#writeNow(Uint8Array.of(4), signal);
      else this.close();
    });
  }

  close(): void {
    this.#closed.abort(CLOSED);
    if (this.#fd !== undefined && !this.#terminal) this.#sys.close(this.#fd);
    this.#fd = undefined;
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      await work();
    } finally {
      resolve();
    }
  }

  async #writeNow(data: Uint8Array, signal: AbortSignal, notes?: WriteNotes): Promise<void> {
    const before = notes?.progress ?? 0;
    let rest = data.subarray(before % 2 === 1 ? (before - 1) / 2 : before === 0 ? 0 : data.length);
    while (rest.length > 0) {
      if (this.#fd === undefined) throw CLOSED;
      signal.throwIfAborted();
      notes?.note?.(2 * (data.length - rest.length) + 2);
      const count = this.#tryWrite(this.#fd, rest);
      notes?.note?.(2 * (data.length - rest.length + Math.max(count, 0)) + 1);
      if (count < 0) await this.#sys.poll(this.#fd, "write", AbortSignal.any([signal, this.#closed.signal]));
      else rest = rest.subarray(count);
    }
  }

  #tryWrite(fd: Fd, data: Uint8Array): number {
    try {
      return this.#sys.write(fd, data);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "EPIPE")) throw error;
      throw new AgentError("internal", "write to stdin: EPIPE (nobody reads it any more)", { cause: error });
    }
  }
}
