import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import type { Input } from "./stdio.ts";

const CLOSED = new AgentError("internal", "write to stdin: it is closed");

/** Progress of a write before its first byte. */
const BEGUN = 1;

/**
 * Returns how many bytes are written, by the progress that an agent left. An odd one is twice their number, plus 1. An even one
 * is higher by 1: the agent died in write(2), and the last of these bytes count as written.
 */
const written = (progress: number): number => Math.max((progress - BEGUN) >> 1, 0);

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

  /**
   * Writes all of `data`, in the order of the calls, and waits while the pipe is full. `progress` is one word of memory that
   * outlives the agent: 0, or what the previous agent left there in the same write.
   */
  write(data: Uint8Array, signal: AbortSignal, progress?: Int32Array): Promise<void> {
    return this.#inTurn(() => this.#writeNow(data, signal, progress));
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

  async #writeNow(data: Uint8Array, signal: AbortSignal, progress: Int32Array = new Int32Array(1)): Promise<void> {
    let done = written(progress[0] ?? 0);
    while (done < data.length) {
      if (this.#fd === undefined) throw CLOSED;
      signal.throwIfAborted(); // before the memory is used, which may be another call's by now
      progress[0] = 2 * done + BEGUN;
      const count = this.#tryWrite(this.#fd, data.subarray(done), progress);
      if (count < 0) await this.#waitForRoom(this.#fd, signal);
      else done += count;
    }
  }

  #waitForRoom(fd: Fd, signal: AbortSignal): Promise<void> {
    this.#closed ??= new AbortController();
    return this.#sys.poll(fd, "write", AbortSignal.any([signal, this.#closed.signal]));
  }

  #tryWrite(fd: Fd, data: Uint8Array, progress: Int32Array): number {
    try {
      return this.#sys.writeNoted(fd, data, progress);
    } catch (error) {
      throw writeError(error);
    }
  }
}

function writeError(error: unknown): unknown {
  if (!(error instanceof SystemError && error.code === "EPIPE")) return error;
  return new AgentError("internal", "write to stdin: EPIPE (the process no longer reads it)", { cause: error });
}
