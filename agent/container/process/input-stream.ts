import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import type { Input } from "./stdio.ts";

const CLOSED = new AgentError("internal", "write to stdin: it is closed");

/**
 * Progress of a write, for a restarted agent. An odd number: (progress - 1) / 2 bytes are written. An even number
 * above 0: the rest after progress / 2 - 1 bytes is being written; whether it is in the pipe is unknown, so it counts
 * as written.
 */
interface WriteNotes {
  readonly progress?: number;
  note?(progress: number): void;
}

/**
 * A process's stdin, non-blocking: the write end of a pipe, which this object owns, or a pty master, which it
 * borrows.
 */
export class InputStream implements Input {
  /** Called when `end` has closed a pipe. */
  onEnd: (() => void) | undefined;
  readonly #sys: Sys;
  readonly #terminal: boolean;
  /** Aborted by `close`; undefined while no write has waited for room, as in most processes. */
  #closed: AbortController | undefined;
  #fd: Fd | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** `fd` is undefined if stdin was closed before the agent restarted. */
  constructor(sys: Sys, fd: Fd | undefined, terminal: boolean) {
    this.#sys = sys;
    this.#fd = fd;
    this.#terminal = terminal;
  }

  /** Writes all of `data`, in the order of the calls, and waits while the pipe is full. */
  write(data: Uint8Array, signal: AbortSignal, notes?: WriteNotes): Promise<void> {
    return this.#inTurn(() => this.#writeNow(data, signal, notes));
  }

  /**
   * Moves up to `length` bytes from a pipe, within the kernel. Returns their number, -1 if there is no room now. Throws if
   * the process no longer reads its input.
   */
  move(from: Fd, length: number): number {
    if (this.#fd === undefined) throw CLOSED;
    try {
      return this.#sys.splice(from, this.#fd, length);
    } catch (error) {
      throw writeError(error);
    }
  }

  /** Resolves when there may be room for more input. */
  async writable(signal: AbortSignal): Promise<void> {
    if (this.#fd === undefined) throw CLOSED;
    await this.#waitForRoom(this.#fd, signal);
  }

  /**
   * Ends the input after all earlier writes: closes a pipe, or writes the end-of-file character (^D) to a terminal,
   * as a person would type it.
   */
  end(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#terminal) {
        if (this.#fd !== undefined) await this.#writeNow(Uint8Array.of(4), signal);
      } else {
        this.close();
        this.onEnd?.();
      }
    });
  }

  close(): void {
    this.#closed?.abort(CLOSED);
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
      if (count < 0) await this.#waitForRoom(this.#fd, signal);
      else rest = rest.subarray(count);
    }
  }

  #waitForRoom(fd: Fd, signal: AbortSignal): Promise<void> {
    this.#closed ??= new AbortController();
    return this.#sys.poll(fd, "write", AbortSignal.any([signal, this.#closed.signal]));
  }

  #tryWrite(fd: Fd, data: Uint8Array): number {
    try {
      return this.#sys.write(fd, data);
    } catch (error) {
      throw writeError(error);
    }
  }
}

function writeError(error: unknown): unknown {
  if (!(error instanceof SystemError && error.code === "EPIPE")) return error;
  return new AgentError("internal", "write to stdin: EPIPE (the process no longer reads it)", { cause: error });
}
