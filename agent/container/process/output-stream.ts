import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Piece } from "../../kernel/journal/output-journal.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { type KeptOutput, OutputAnswers } from "./output-answers.ts";
import type { EarlierOutput, OutputOwner } from "./output-owner.ts";
import { MAX_READ, OutputSource, type TakeNow } from "./output-source.ts";
import type { Output } from "./stdio.ts";

const scratch = Buffer.allocUnsafeSlow(MAX_READ);

/** Most bytes of earlier output that one read returns: a block of the journal. */
const MAX_EARLIER = 65_536;

/**
 * One output of a process: calls read it, or an owner takes it.
 *
 * Bytes stay in the kernel's pipe until a host reads them. So the pipe slows down a process whose output isn't read,
 * and a killed agent loses nothing. The caller passes every answer to `delivered` once it is sent, or to `unread` if
 * it can't be.
 */
export class OutputStream implements Output {
  readonly #sys: Sys;
  readonly #source: OutputSource;
  readonly #answers: OutputAnswers;
  readonly #kept: KeptOutput | undefined;
  /** Bytes read so far. */
  #total = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Set while clients attach to the output, or a log keeps it. */
  #owner: OutputOwner | undefined;
  /** Output that was taken before calls read it. */
  #earlier: EarlierOutput | undefined;
  /** Called when the process is removed. */
  onRemoved: (() => void) | undefined;
  /** Called once at the end of the output. `writersGone`: no process can write any more. */
  onEnd: ((writersGone: boolean) => void) | undefined;
  onDelivered: (() => void) | undefined;

  /** `fd` is undefined if the stream reached its end before the agent restarted. */
  constructor(sys: Sys, fd: Fd | undefined, terminal = false, kept?: KeptOutput) {
    this.#sys = sys;
    this.#source = new OutputSource(sys, fd, terminal, (writersGone) => this.onEnd?.(writersGone));
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
    const isRead = !this.open && !areUnderWay && !hasReturned;
    return isRead && this.#owner === undefined && this.#earlier === undefined;
  }

  /** True while the descriptor is open. */
  get open(): boolean {
    return this.#source.fd !== undefined;
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
    this.#source.processExited();
  }

  /** Detects the end if no reader waits for it: closes an empty pipe without writers. */
  settle(): void {
    const { fd, isAwaited } = this.#source;
    if (fd === undefined || isAwaited || this.#answers.hasReturned) return;
    if (this.#owner !== undefined || this.#earlier !== undefined) return;
    try {
      if (this.#sys.readable(fd) > 0) return;
      const piece = this.#readPiece(fd, 1);
      if (piece === 0) this.#source.end(true);
      else if (typeof piece !== "number") this.#answers.putBack(piece);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // the next reader gets this error, or the end
    }
  }

  close(): void {
    this.#answers.close();
    this.#owner?.closing?.();
    this.#source.close();
    this.#owner?.closed();
    this.#earlier?.close();
    this.#earlier = undefined;
    this.onRemoved?.();
  }

  get isAttached(): boolean {
    return this.#owner !== undefined;
  }

  /** Throws if output is on its way to a host that reads by calls. */
  checkFree(): void {
    if (!this.#source.isAwaited && !this.#answers.areUnderWay && !this.#answers.hasReturned) return;
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

  /** Bytes that can be read now, as far as the kernel tells. */
  get waiting(): number {
    return this.#source.waiting;
  }

  /** The output's pipe, whose content clients are sent while it stays there; undefined once it is closed. */
  get pipe(): Fd | undefined {
    return this.#source.fd;
  }

  /** True if nothing follows the bytes in the pipe. */
  get isComplete(): boolean {
    return this.#source.isComplete;
  }

  /** Calls `onChange` soon, and then whenever there may be more output, or its end, until the returned function is called. */
  watch(onChange: () => void, onLost: (error: unknown) => void): () => void {
    return this.#source.watch(onChange, onLost);
  }

  /**
   * Moves up to `length` bytes into a pipe, within the kernel. Returns their number: 0 at the end, -1 if there is nothing to
   * move yet, or the pipe is full.
   */
  move(into: Fd, length: number): number {
    return this.#source.move((fd, most) => this.#sys.splice(fd, into, most), length);
  }

  /** Accounts for bytes that were taken out of the pipe. */
  dropped(count: number): void {
    this.#source.took(count);
  }

  /** Closes the output: a client has all of it. */
  finish(): void {
    this.#source.finish();
  }

  /**
   * Calls `moveNow` once there may be output, with the descriptor and the most bytes that it may take, until it has taken some
   * (the number it returns), finds the end (0), or can't (-1). Resolves with that number. Serves one caller at a time.
   */
  take(moveNow: TakeNow, length: number, signal: AbortSignal): Promise<number> {
    return this.#inTurn(() => this.#source.take(moveNow, length, signal));
  }

  /** Calls `moveNow` until it takes nothing more, before the descriptor is closed. Ignores failures. */
  drain(moveNow: TakeNow): void {
    this.#source.drain(moveNow);
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

  async #readNow(length: number, signal: AbortSignal): Promise<Buffer> {
    const source = this.#source;
    for (;;) {
      signal.throwIfAborted();
      if (this.#answers.isNextDoubtful) {
        await this.#answers.settled(signal);
        source.checkOpen();
        continue;
      }
      const returned = this.#answers.next(length);
      if (returned !== undefined) return returned;
      if (length === 0) return Buffer.alloc(0);
      const earlier = this.#readEarlier(length);
      if (earlier !== undefined) return this.#answers.give(earlier);
      if (source.fd === undefined) {
        if (!this.#answers.areUnderWay) return Buffer.alloc(0);
        await this.#answers.settled(signal);
        source.checkOpen();
        continue;
      }
      const room = source.room(length);
      const piece = room === 0 ? 0 : this.#readPiece(source.fd, room);
      if (typeof piece !== "number") {
        source.took(piece.data.length);
        return this.#answers.give(piece);
      }
      if (piece === 0 || source.isLast) source.end(room > 0 && piece === 0);
      else await source.wait(source.fd, signal);
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

  /**
   * Reads at least one byte; otherwise returns the result of the failed `read`: 0 at the end, negative if it would
   * block.
   */
  #readPiece(fd: Fd, room: number): Piece | number {
    const piece = this.#kept === undefined ? this.#readHere(fd, room) : this.#readKept(this.#kept, fd, room);
    if (typeof piece !== "number") this.#total += piece.data.length;
    return piece;
  }

  /** Reads into this process's memory. */
  #readHere(fd: Fd, room: number): Piece | number {
    const count = this.#source.read(fd, scratch.subarray(0, room));
    if (count <= 0) return count;
    return { data: Buffer.from(scratch.subarray(0, count)), offset: this.#total, block: undefined };
  }

  /** Reads into the journal. */
  #readKept({ journal, key }: KeptOutput, fd: Fd, room: number): Piece | number {
    const waiting = this.#source.isTerminal ? 0 : this.#sys.readable(fd);
    return journal.read(key, this.#total, room, (into) => this.#source.read(fd, into), waiting);
  }
}
