import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { leftIn, MAX_LEFT_IN_TERMINAL, readTerminal } from "./read-rest.ts";

/**
 * Longest time in ms for which a grandchild that holds the pipe can delay the end of file after the process has
 * ended.
 */
export const GRACE_MS = 500;
/** Most bytes taken at a time. */
export const MAX_READ = 1024 * 1024;

/** Moves at most `room` bytes out of a descriptor. Returns their number, 0 at the end, -1 if it can't move any. */
export type TakeNow = (fd: Fd, room: number) => number;

/** The read end of a pipe, or a pty master, non-blocking. Owns the descriptor, and finds out when the output has ended. */
export class OutputSource {
  readonly isTerminal: boolean;
  readonly #sys: Sys;
  readonly #onEnd: (writersGone: boolean) => void;
  #fd: Fd | undefined;
  #closed = false;
  /** True while a reader waits for the descriptor; closing it ends the wait. */
  #isAwaited = false;
  /** Bytes left to read after the grace period; undefined before its end. */
  #budget: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Set by `watch`. */
  #onChange: (() => void) | undefined;

  /** `onEnd` is called once, when the descriptor is closed. `writersGone`: no process can write any more. */
  constructor(sys: Sys, fd: Fd | undefined, isTerminal: boolean, onEnd: (writersGone: boolean) => void) {
    this.#sys = sys;
    this.#fd = fd;
    this.isTerminal = isTerminal;
    this.#onEnd = onEnd;
  }

  /** Undefined once it is closed. */
  get fd(): Fd | undefined {
    return this.#fd;
  }

  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** True after the grace period, when an empty pipe is at its end. */
  get isLast(): boolean {
    return this.#budget !== undefined;
  }

  /** Bytes that can be read now, as far as the kernel tells. */
  get waiting(): number {
    if (this.#fd === undefined) return 0;
    const left = this.isTerminal ? leftIn(this.#sys, this.#fd) : this.#sys.readable(this.#fd);
    const known = left === MAX_LEFT_IN_TERMINAL && this.isTerminal ? 0 : left;
    return this.room(known);
  }

  /** True if nothing follows the bytes in the pipe. */
  get isComplete(): boolean {
    return this.#fd === undefined || this.isLast || this.#sys.hungUp(this.#fd);
  }

  /** Returns how many of `length` bytes may be taken. */
  room(length: number): number {
    return Math.min(length, this.#budget ?? length);
  }

  /** Accounts for bytes that were taken. */
  took(count: number): void {
    if (this.#budget !== undefined) this.#budget -= count;
  }

  /** Reads what there is. Returns the number of bytes, 0 at the end, negative if it would block. */
  read(fd: Fd, into: Uint8Array): number {
    return this.isTerminal ? readTerminal(this.#sys, fd, into) : this.#sys.read(fd, into);
  }

  /** Calls `onChange` soon, and then whenever there may be more output, or its end, until the returned function is called. */
  watch(onChange: () => void, onLost: (error: unknown) => void): () => void {
    this.#onChange = onChange;
    const unwatch = this.#fd === undefined ? undefined : this.#sys.watchChanges(this.#fd, onChange, onLost);
    return () => {
      if (this.#onChange === onChange) this.#onChange = undefined;
      unwatch?.();
    };
  }

  /** Waits until there is something to read or the descriptor is closed; rejects if the caller's signal aborts. */
  async wait(fd: Fd, signal: AbortSignal): Promise<void> {
    this.#isAwaited = true;
    try {
      await this.#sys.poll(fd, "read", signal);
    } catch (error) {
      if (this.#fd !== undefined || signal.aborted) throw error;
    } finally {
      this.#isAwaited = false;
    }
    this.checkOpen();
  }

  /** Moves up to `length` bytes once. Returns their number: 0 at the end, -1 if there is nothing to move yet, or no room. */
  move(moveNow: TakeNow, length: number): number {
    this.checkOpen();
    if (this.#fd === undefined) return 0;
    const room = this.room(length);
    const moved = room === 0 ? 0 : this.#tryTake(moveNow, this.#fd, room);
    if (moved > 0) this.took(moved);
    else if (moved === 0) this.end(room > 0);
    else if (this.isLast && leftIn(this.#sys, this.#fd) === 0) {
      this.end(false);
      return 0;
    }
    return moved;
  }

  /** Waits until `moveNow` has moved some bytes, finds the end (0), or can't (-1). Resolves with that number. */
  async take(moveNow: TakeNow, length: number, signal: AbortSignal): Promise<number> {
    for (let isReady = false; ; isReady = true) {
      signal.throwIfAborted();
      this.checkOpen();
      if (this.#fd === undefined) return 0;
      const room = this.room(length);
      const moved = room === 0 ? 0 : this.#tryTake(moveNow, this.#fd, room);
      if (moved > 0) {
        this.took(moved);
        return moved;
      }
      // Ready, but nothing could be moved: the pipe that it goes to is full.
      if (moved < 0 && (isReady || leftIn(this.#sys, this.#fd) > 0)) return -1;
      if (moved === 0 || this.isLast) {
        this.end(room > 0 && moved === 0);
        return 0;
      }
      await this.wait(this.#fd, signal);
    }
  }

  /** Calls `moveNow` until it takes nothing more, before the descriptor is closed. Ignores failures. */
  drain(moveNow: TakeNow): void {
    try {
      while (this.#fd !== undefined && moveNow(this.#fd, MAX_READ) > 0);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }

  /** Begins the grace period: the process has ended. */
  processExited(): void {
    if (this.#fd === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#graceIsOver(), GRACE_MS).unref();
  }

  /** Ends it: a client has all output, whatever the descriptor still holds. */
  finish(): void {
    if (this.#fd === undefined) return;
    let isHungUp = false;
    try {
      isHungUp = this.#sys.hungUp(this.#fd);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // what is kept is released all the same
    }
    this.end(isHungUp);
  }

  end(writersGone: boolean): void {
    clearTimeout(this.#timer);
    if (this.#fd === undefined) return;
    this.#sys.close(this.#fd);
    this.#fd = undefined;
    this.#onEnd(writersGone);
  }

  /** Ends it because its process is removed; a waiting reader gets an error. */
  close(): void {
    this.#closed = true;
    this.end(false);
  }

  /** Throws if the process was removed. */
  checkOpen(): void {
    if (this.#closed) throw new AgentError("not-found", "read: the process was removed");
  }

  /** Ends the grace period. A waiting reader has read everything, unless more has just arrived, which wakes it. */
  #graceIsOver(): void {
    if (this.#fd === undefined) return;
    const left = leftIn(this.#sys, this.#fd);
    if (this.#isAwaited && left === 0) this.end(false);
    else this.#budget = this.isTerminal ? MAX_LEFT_IN_TERMINAL : left;
    this.#onChange?.();
  }

  #tryTake(moveNow: TakeNow, fd: Fd, length: number): number {
    try {
      return moveNow(fd, length);
    } catch (error) {
      if (this.isTerminal && error instanceof SystemError && error.code === "EIO") return 0; // the end of a terminal
      throw error;
    }
  }
}
