import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Piece } from "../../kernel/journal/output-journal.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { type KeptOutput, OutputAnswers } from "./output-answers.ts";
import { leftIn, MAX_LEFT_IN_TERMINAL, readTerminal } from "./read-rest.ts";
import type { Output } from "./stdio.ts";

/**
 * Longest time in ms for which a grandchild that holds the pipe can delay the end of file after the process has
 * ended.
 */
export const GRACE_MS = 500;
/** Most bytes that one read returns, whatever the host requests. */
const MAX_READ = 1024 * 1024;
const scratch = Buffer.allocUnsafeSlow(MAX_READ);

/** Most bytes of earlier output that one read returns: a block of the journal. */
const MAX_EARLIER = 65_536;

/** Reserves an output: calls don't read it. */
export interface OutputOwner {
  /** The process is about to be removed: the descriptor is still open. */
  closing?(): void;
  /** The process was removed. */
  closed(): void;
  /** A call reads the output: the owner may give it up. Otherwise the call fails. */
  called?(): void;
}

/** Output that an owner had taken, from `position` to `end`. */
export interface EarlierOutput {
  position: number;
  readonly end: number;
  /** Fills the buffer from `position` on, then advances it. Returns the buffer's length. */
  read(into: Uint8Array): number;
  close(): void;
}

/** Moves at most `room` bytes out of a descriptor. Returns their number, 0 at the end, -1 if it can't move any. */
type TakeNow = (fd: Fd, room: number) => number;

/**
 * One output of a process: the read end of a pipe or a pty master, non-blocking, owned by this object.
 *
 * Bytes stay in the kernel's pipe until a host reads them. So the pipe slows down a process whose output isn't read,
 * and a killed agent loses nothing. The caller passes every answer to `delivered` once it is sent, or to `unread` if
 * it can't be.
 */
export class OutputStream implements Output {
  readonly #sys: Sys;
  #closed = false;
  /** True while a reader waits for the descriptor; closing it ends the wait. */
  #waiting = false;
  #fd: Fd | undefined;
  readonly #terminal: boolean;
  readonly #answers: OutputAnswers;
  readonly #kept: KeptOutput | undefined;
  /** Bytes read from the descriptor so far. */
  #total = 0;
  /** Bytes left to read after the grace period; undefined before its end. */
  #budget: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Set while clients attach to the output, or a log keeps it. */
  #owner: OutputOwner | undefined;
  /** Output that was taken before calls read it. */
  #earlier: EarlierOutput | undefined;
  /** Set by `watch`. */
  #onChange: (() => void) | undefined;
  /** Called when the process is removed. */
  onRemoved: (() => void) | undefined;
  /** Called once at the end of the output. `writersGone`: no process can write any more. */
  onEnd: ((writersGone: boolean) => void) | undefined;
  onDelivered: (() => void) | undefined;

  /** `fd` is undefined if the stream reached its end before the agent restarted. */
  constructor(sys: Sys, fd: Fd | undefined, terminal = false, kept?: KeptOutput) {
    this.#sys = sys;
    this.#fd = fd;
    this.#terminal = terminal;
    this.#kept = kept;
    this.#answers = new OutputAnswers(kept);
    this.#total = this.#answers.end;
  }

  /**
   * True if the end was reached and the host has every answer. Clients that attach decide the end by `detach`. An answer
   * under way may come back: the agent notices late that a client has died.
   */
  get ended(): boolean {
    const { areUnderWay, hasReturned } = this.#answers;
    const isRead = this.#fd === undefined && !areUnderWay && !hasReturned;
    return isRead && this.#owner === undefined && this.#earlier === undefined;
  }

  /** True while the descriptor is open. */
  get open(): boolean {
    return this.#fd !== undefined;
  }

  get isAttached(): boolean {
    return this.#owner !== undefined;
  }

  /** Bytes that can be read now, as far as the kernel tells. */
  get waiting(): number {
    if (this.#fd === undefined) return 0;
    const left = this.#terminal ? leftIn(this.#sys, this.#fd) : this.#sys.readable(this.#fd);
    const known = left === MAX_LEFT_IN_TERMINAL && this.#terminal ? 0 : left;
    return Math.min(known, this.#budget ?? known);
  }

  /** The output's pipe, whose content clients are sent while it stays there; undefined once it is closed. */
  get pipe(): Fd | undefined {
    return this.#fd;
  }

  /** True if nothing follows the bytes in the pipe. */
  get isComplete(): boolean {
    return this.#fd === undefined || this.#budget !== undefined || this.#sys.hungUp(this.#fd);
  }

  /**
   * Returns between one and `length` bytes; none at the end, which waits for answers under way. Serves one reader at a
   * time, in the order of their calls.
   */
  async read(length: number, signal: AbortSignal): Promise<Buffer> {
    this.#owner?.called?.();
    if (this.#owner !== undefined) {
      throw new AgentError("failed-precondition", "read output: clients attach to it; attach as well");
    }
    return this.#inTurn(() => this.#readNow(Math.min(length, MAX_READ), signal));
  }

  /** Throws if output is on its way to a host that reads by calls. */
  checkFree(): void {
    if (!this.#waiting && !this.#answers.areUnderWay && !this.#answers.hasReturned) return;
    throw new AgentError(
      "failed-precondition",
      "attach: a call reads the output, or has not delivered all it has read",
    );
  }

  /** Reserves the output for an owner, who takes it by `move` or `take`, or out of its pipe. */
  attach(owner: OutputOwner): void {
    this.#owner = owner;
  }

  /** Gives calls the output that an owner has taken, before everything else. Ends `attach`. */
  precede(earlier: EarlierOutput): void {
    this.#owner = undefined;
    this.#earlier = earlier;
    if (this.#total < earlier.position) this.#total = earlier.position;
    else earlier.position = this.#total; // pieces of the previous agent
  }

  /** Ends `attach`, after which an output at its end counts as ended. */
  detach(): void {
    this.#owner = undefined;
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

  /**
   * Moves up to `length` bytes into a pipe, within the kernel. Returns their number: 0 at the end, -1 if there is nothing to
   * move yet, or the pipe is full.
   */
  move(into: Fd, length: number): number {
    this.#checkOpen();
    if (this.#fd === undefined) return 0;
    const room = Math.min(length, this.#budget ?? length);
    const splice = (fd: Fd, most: number) => this.#sys.splice(fd, into, most);
    const moved = room === 0 ? 0 : this.#tryTake(splice, this.#fd, room);
    if (moved > 0) this.dropped(moved);
    else if (moved === 0) this.#end(room > 0);
    else if (this.#budget !== undefined && leftIn(this.#sys, this.#fd) === 0) {
      this.#end(false);
      return 0;
    }
    return moved;
  }

  /** Accounts for bytes that were taken out of the pipe. */
  dropped(count: number): void {
    if (this.#budget !== undefined) this.#budget -= count;
  }

  /** Closes the output: a client has all of it. */
  finish(): void {
    if (this.#fd === undefined) return;
    let isHungUp = false;
    try {
      isHungUp = this.#sys.hungUp(this.#fd);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // what is kept is released all the same
    }
    this.#end(isHungUp);
  }

  /**
   * Calls `moveNow` once there may be output, with the descriptor and the most bytes that it may take, until it has taken some
   * (the number it returns), finds the end (0), or can't (-1). Resolves with that number. Serves one caller at a time.
   */
  take(moveNow: TakeNow, length: number, signal: AbortSignal): Promise<number> {
    return this.#inTurn(() => this.#takeNow(moveNow, length, signal));
  }

  /** Calls `moveNow` until it takes nothing more, before the descriptor is closed. Ignores failures. */
  drain(moveNow: TakeNow): void {
    try {
      while (this.#fd !== undefined && moveNow(this.#fd, MAX_READ) > 0);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }

  /** Puts back an answer that did not reach the host, before everything that was read later. */
  unread(data: Buffer): void {
    this.#answers.unread(data);
  }

  /** Records which call's answer holds `data`: see Call.place. */
  link(data: Buffer, place: number | undefined): void {
    this.#answers.link(data, place);
  }

  /** Releases an answer that was sent. */
  delivered(data: Buffer): void {
    this.#answers.delivered(data);
    if (this.ended) this.onDelivered?.();
  }

  /**
   * Called when the process has ended: the pipe's content is still read, and then, after a grace period at most,
   * comes the end.
   */
  processExited(): void {
    if (this.#fd === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#graceIsOver(), GRACE_MS).unref();
  }

  /** Ends the grace period. A waiting reader has read everything, unless more has just arrived, which wakes it. */
  #graceIsOver(): void {
    if (this.#fd === undefined) return;
    const left = leftIn(this.#sys, this.#fd);
    if (this.#waiting && left === 0) this.#end(false);
    else this.#budget = this.#terminal ? MAX_LEFT_IN_TERMINAL : left;
    this.#onChange?.();
  }

  /** Detects the end if no reader waits for it: closes an empty pipe without writers. */
  settle(): void {
    if (this.#fd === undefined || this.#waiting || this.#answers.hasReturned) return;
    if (this.#owner !== undefined || this.#earlier !== undefined) return;
    try {
      if (this.#sys.readable(this.#fd) > 0) return;
      const piece = this.#readPiece(this.#fd, 1);
      if (piece === 0) this.#end(true);
      else if (typeof piece !== "number") this.#answers.putBack(piece);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // the next reader gets this error, or the end
    }
  }

  close(): void {
    this.#answers.close();
    this.#owner?.closing?.();
    this.#closed = true;
    this.#end(false);
    this.#owner?.closed();
    this.#earlier?.close();
    this.#earlier = undefined;
    this.onRemoved?.();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      return await work();
    } finally {
      resolve();
    }
  }

  async #takeNow(moveNow: TakeNow, length: number, signal: AbortSignal): Promise<number> {
    for (let isReady = false; ; isReady = true) {
      signal.throwIfAborted();
      this.#checkOpen();
      if (this.#fd === undefined) return 0;
      const room = Math.min(length, this.#budget ?? length);
      const moved = room === 0 ? 0 : this.#tryTake(moveNow, this.#fd, room);
      if (moved > 0 && this.#budget !== undefined) this.#budget -= moved;
      if (moved > 0) return moved;
      // Ready, but nothing could be moved: the pipe that it goes to is full.
      if (moved < 0 && (isReady || leftIn(this.#sys, this.#fd) > 0)) return -1;
      if (moved === 0 || this.#budget !== undefined) {
        this.#end(room > 0 && moved === 0);
        return 0;
      }
      await this.#wait(this.#fd, signal);
    }
  }

  #tryTake(moveNow: TakeNow, fd: Fd, length: number): number {
    try {
      return moveNow(fd, length);
    } catch (error) {
      if (this.#terminal && error instanceof SystemError && error.code === "EIO") return 0; // the end of a terminal
      throw error;
    }
  }

  async #readNow(length: number, signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      const returned = this.#answers.next(length);
      if (returned !== undefined) return returned;
      const earlier = length === 0 ? undefined : this.#readEarlier(length);
      if (earlier !== undefined) return this.#answers.give(earlier);
      if (length === 0) return Buffer.alloc(0);
      if (this.#fd === undefined) {
        if (!this.#answers.areUnderWay) return Buffer.alloc(0);
        await this.#answers.settled(signal);
        this.#checkOpen();
        continue;
      }
      const room = Math.min(length, this.#budget ?? length);
      const piece = room === 0 ? 0 : this.#readPiece(this.#fd, room);
      if (typeof piece !== "number") {
        if (this.#budget !== undefined) this.#budget -= piece.data.length;
        return this.#answers.give(piece);
      }
      if (piece === 0 || this.#budget !== undefined) {
        this.#end(room > 0 && piece === 0);
        continue;
      }
      await this.#wait(this.#fd, signal);
    }
  }

  /** Reads a piece of the output that an owner has taken; undefined if nothing of it is left. */
  #readEarlier(most: number): Piece | undefined {
    const earlier = this.#earlier;
    if (earlier === undefined) return undefined;
    const { position } = earlier;
    const length = Math.min(most, earlier.end - position, MAX_EARLIER);
    if (length > 0) {
      const read = (into: Uint8Array) => earlier.read(into.subarray(0, length));
      const piece = this.#kept?.journal.read(this.#kept.key, position, length, read, length);
      this.#total = position + length;
      if (typeof piece === "object") return piece;
      const data = Buffer.alloc(length);
      read(data);
      return { data, offset: position, block: undefined };
    }
    this.#earlier = undefined;
    earlier.close();
    return undefined;
  }

  /** Waits until there is something to read or the descriptor is closed; rejects if the caller's signal aborts. */
  async #wait(fd: Fd, signal: AbortSignal): Promise<void> {
    this.#waiting = true;
    try {
      await this.#sys.poll(fd, "read", signal);
    } catch (error) {
      if (this.#fd !== undefined || signal.aborted) throw error;
    } finally {
      this.#waiting = false;
    }
    this.#checkOpen();
  }

  #checkOpen(): void {
    if (this.#closed) throw new AgentError("not-found", "read: the process was removed");
  }

  /**
   * Reads at least one byte; otherwise returns the result of the failed `read`: 0 at the end, negative if it would
   * block.
   */
  #readPiece(fd: Fd, room: number): Piece | number {
    const read = (into: Uint8Array) => (this.#terminal ? readTerminal(this.#sys, fd, into) : this.#sys.read(fd, into));
    if (this.#kept === undefined) {
      const count = read(scratch.subarray(0, room));
      return count > 0 ? this.#take(Buffer.from(scratch.subarray(0, count))) : count;
    }
    const { journal, key } = this.#kept;
    const waiting = this.#terminal ? 0 : this.#sys.readable(fd);
    const piece = journal.read(key, this.#total, room, read, waiting);
    if (typeof piece !== "number") this.#total += piece.data.length;
    return piece;
  }

  /** Counts bytes that were read into this process's memory. */
  #take(data: Buffer): Piece {
    this.#total += data.length;
    return { data, offset: this.#total - data.length, block: undefined };
  }

  #end(writersGone: boolean): void {
    clearTimeout(this.#timer);
    if (this.#fd === undefined) return;
    this.#sys.close(this.#fd);
    this.#fd = undefined;
    this.onEnd?.(writersGone);
  }
}
