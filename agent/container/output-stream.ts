import { AgentError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";

/** How long a grandchild that still holds the pipe may delay the end of file, after the process has ended. */
const GRACE_MS = 500;
/** Most that one read gives, whatever the host asks for. */
const MAX_READ = 1024 * 1024;
/** Most that a terminal gives after the grace: FIONREAD tells of the line discipline only, far more may wait behind it. */
const MAX_LEFT_IN_TERMINAL = 1024 * 1024;

/** A reason of our own: without one each abort makes an exception with its stack, which nobody sees. */
const CLOSED = new AgentError("canceled", "the stream is not waited for any more");

const scratch = Buffer.allocUnsafeSlow(MAX_READ);

/**
 * One output of a process: the read end of a pipe or a pty master, which this object owns.
 *
 * Bytes stay in the kernel's pipe until somebody asks, so a process that nobody reads is held back by its pipe, and a
 * killed agent loses nothing. A read that could not be answered is given back with `unread`.
 */
export class OutputStream {
  readonly #sys: Sys;
  #closed = false;
  #waiting: AbortController | undefined;
  #fd: Fd | undefined;
  readonly #terminal: boolean;
  /** Answers that were given back, the oldest first. */
  #returned: Buffer[] = [];
  /** Where in the output each answer begins, so that several that are given back find their order again. */
  readonly #offsets = new WeakMap<Buffer, number>();
  /** Bytes that were read from the descriptor. */
  #total = 0;
  /** Bytes still to be read after the grace; undefined before it is over. */
  #budget: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Called once, when the end was reached and nothing is left to read; true when nobody can write any more. */
  onEnd: ((writersGone: boolean) => void) | undefined;

  /** Without a descriptor: a stream that reached its end before the agent was started again. */
  constructor(sys: Sys, fd: Fd | undefined, terminal = false) {
    this.#sys = sys;
    this.#fd = fd;
    this.#terminal = terminal;
    if (fd !== undefined) sys.setNonBlocking(fd);
  }

  /** Nothing is left: the end was reached and no answer was given back. */
  get ended(): boolean {
    return this.#fd === undefined && this.#returned.length === 0;
  }

  /** The descriptor is still open. */
  get open(): boolean {
    return this.#fd !== undefined;
  }

  /** At least one byte, at most `length`; empty at the end. One reader at a time, in order of their calls. */
  async read(length: number, signal: AbortSignal): Promise<Buffer> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      return await this.#readNow(Math.min(length, MAX_READ), signal);
    } finally {
      resolve();
    }
  }

  /** Puts an answer that did not reach the host back where it was: before all that was taken later. */
  unread(data: Buffer): void {
    if (data.length === 0 || this.#closed) return;
    const offset = this.#offsetOf(data);
    const at = this.#returned.findIndex((other) => this.#offsetOf(other) > offset);
    this.#returned.splice(at < 0 ? this.#returned.length : at, 0, data);
  }

  /** The process has ended: what is in the pipe is still read, then comes the end, after a grace at the latest. */
  processExited(): void {
    if (this.#fd === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      if (this.#fd !== undefined) {
        this.#budget = this.#terminal ? MAX_LEFT_IN_TERMINAL : this.#sys.readable(this.#fd);
      }
      this.#waiting?.abort(CLOSED);
    }, GRACE_MS).unref();
  }

  /** Reaches for the end where no reader waits for it: an empty pipe whose writers are gone is closed. */
  settle(): void {
    if (this.#fd === undefined || this.#waiting !== undefined || this.#returned.length > 0) return;
    if (this.#sys.readable(this.#fd) > 0) return;
    const byte = Buffer.allocUnsafe(1);
    const count = this.#sys.read(this.#fd, byte);
    if (count === 0) this.#end(true);
    else if (count > 0) this.unread(this.#take(byte));
  }

  close(): void {
    this.#returned = [];
    this.#closed = true;
    this.#waiting?.abort(CLOSED);
    this.#end(false);
  }

  async #readNow(length: number, signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      const first = this.#returned.shift();
      if (first !== undefined) return this.#takeFrom(first, length);
      if (this.#fd === undefined || length === 0) return Buffer.alloc(0);
      const room = Math.min(length, this.#budget ?? length);
      const count = room === 0 ? 0 : this.#sys.read(this.#fd, scratch.subarray(0, room));
      if (count > 0) {
        if (this.#budget !== undefined) this.#budget -= count;
        return this.#take(Buffer.from(scratch.subarray(0, count)));
      }
      if (count === 0 || this.#budget !== undefined) {
        this.#end(room > 0 && count === 0);
        return Buffer.alloc(0);
      }
      await this.#wait(this.#fd, signal);
    }
  }

  /** Until there is something to read, the grace is over, or the stream is closed; throws for the caller's signal. */
  async #wait(fd: Fd, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const abort = () => waiting.abort(CLOSED);
    signal.addEventListener("abort", abort, { once: true });
    this.#waiting = waiting;
    try {
      await this.#sys.poll(fd, "read", waiting.signal);
    } catch (error) {
      if (!waiting.signal.aborted) throw error;
    } finally {
      this.#waiting = undefined;
      signal.removeEventListener("abort", abort);
    }
    if (this.#closed) throw new AgentError("not-found", "read: the process was removed");
  }

  #takeFrom(data: Buffer, length: number): Buffer {
    const offset = this.#offsetOf(data);
    if (data.length > length) this.#returned.unshift(this.#at(offset + length, data.subarray(length)));
    return this.#at(offset, data.subarray(0, length));
  }

  /** Bytes that were just read. */
  #take(data: Buffer): Buffer {
    this.#total += data.length;
    return this.#at(this.#total - data.length, data);
  }

  #at(offset: number, data: Buffer): Buffer {
    this.#offsets.set(data, offset);
    return data;
  }

  #offsetOf(data: Buffer): number {
    return this.#offsets.get(data) ?? 0;
  }

  #end(writersGone: boolean): void {
    clearTimeout(this.#timer);
    if (this.#fd === undefined) return;
    this.#sys.close(this.#fd);
    this.#fd = undefined;
    this.onEnd?.(writersGone);
  }
}
