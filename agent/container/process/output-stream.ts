import { AgentError, SystemError } from "../../kernel/error.ts";
import type { OutputJournal, OutputKey, Piece } from "../../kernel/journal/output-journal.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";

/** How long a grandchild that still holds the pipe may delay the end of file, after the process has ended. */
export const GRACE_MS = 500;
/** Most that one read gives, whatever the host asks for. */
const MAX_READ = 1024 * 1024;
/** Most that a terminal gives after the grace: FIONREAD tells of the line discipline only, some 20 KiB wait behind it. */
export const MAX_LEFT_IN_TERMINAL = 64 * 1024;

const scratch = Buffer.allocUnsafeSlow(MAX_READ);

/** Where a stream keeps what was taken from its descriptor and has not reached the host. */
export interface KeptOutput {
  readonly journal: OutputJournal;
  readonly key: OutputKey;
}

/**
 * One output of a process: the read end of a pipe or a pty master, non-blocking, which this object owns.
 *
 * Bytes stay in the kernel's pipe until somebody asks, so a process that nobody reads is held back by its pipe, and a
 * killed agent loses nothing. A read that could not be answered is given back with `unread`; of one that was, `delivered`
 * is told.
 */
export class OutputStream {
  readonly #sys: Sys;
  #closed = false;
  /** A reader waits for the descriptor; closing that ends its wait. */
  #waiting = false;
  #fd: Fd | undefined;
  readonly #terminal: boolean;
  /** Answers that were given back, the oldest first. */
  #returned: Piece[] = [];
  /** Answers that are with readers. By their offsets those that are given back find their order again. */
  readonly #given = new WeakMap<Buffer, Piece>();
  readonly #kept: KeptOutput | undefined;
  /** Bytes that were read from the descriptor. */
  #total = 0;
  /** Bytes still to be read after the grace; undefined before it is over. */
  #budget: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Called once, when the end was reached and nothing is left to read; true when nobody can write any more. */
  onEnd: ((writersGone: boolean) => void) | undefined;

  /** Without a descriptor: a stream that reached its end before the agent was started again. */
  constructor(sys: Sys, fd: Fd | undefined, terminal = false, kept?: KeptOutput) {
    this.#sys = sys;
    this.#fd = fd;
    this.#terminal = terminal;
    this.#kept = kept;
    this.#returned = kept?.journal.found(kept.key) ?? [];
    const last = this.#returned.at(-1);
    this.#total = last === undefined ? 0 : last.offset + last.data.length;
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
    const piece = this.#takeBack(data);
    if (piece !== undefined) this.#return(piece);
  }

  /** The answer of this call holds `data`: see Call.place. */
  link(data: Buffer, place: number | undefined): void {
    const block = this.#given.get(data)?.block;
    if (block !== undefined) this.#kept?.journal.link(block, place);
  }

  /** An answer was written. */
  delivered(data: Buffer): void {
    const piece = this.#takeBack(data);
    if (piece !== undefined) this.#release(piece);
  }

  /** The process has ended: what is in the pipe is still read, then comes the end, after a grace at the latest. */
  processExited(): void {
    if (this.#fd === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#graceIsOver(), GRACE_MS).unref();
  }

  /** A reader that waits has read all there was, unless more has just come, which wakes it. */
  #graceIsOver(): void {
    if (this.#fd === undefined) return;
    const left = leftIn(this.#sys, this.#fd);
    if (this.#waiting && left === 0) this.#end(false);
    else this.#budget = this.#terminal ? MAX_LEFT_IN_TERMINAL : left;
  }

  /** Reaches for the end where no reader waits for it: an empty pipe whose writers are gone is closed. */
  settle(): void {
    if (this.#fd === undefined || this.#waiting || this.#returned.length > 0) return;
    try {
      if (this.#sys.readable(this.#fd) > 0) return;
      const piece = this.#readPiece(this.#fd, 1);
      if (piece === 0) this.#end(true);
      else if (typeof piece !== "number") this.#return(piece);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // a reader will see it, or the end
    }
  }

  close(): void {
    for (const piece of this.#returned.splice(0)) this.#release(piece);
    this.#closed = true;
    this.#end(false);
  }

  async #readNow(length: number, signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      const first = this.#returned.shift();
      if (first !== undefined) return this.#give(this.#cut(first, length));
      if (this.#fd === undefined || length === 0) return Buffer.alloc(0);
      const room = Math.min(length, this.#budget ?? length);
      const piece = room === 0 ? 0 : this.#readPiece(this.#fd, room);
      if (typeof piece !== "number") {
        if (this.#budget !== undefined) this.#budget -= piece.data.length;
        return this.#give(piece);
      }
      if (piece === 0 || this.#budget !== undefined) {
        this.#end(room > 0 && piece === 0);
        return Buffer.alloc(0);
      }
      await this.#wait(this.#fd, signal);
    }
  }

  /** Until there is something to read, or the descriptor is closed; throws for the caller's signal. */
  async #wait(fd: Fd, signal: AbortSignal): Promise<void> {
    this.#waiting = true;
    try {
      await this.#sys.poll(fd, "read", signal);
    } catch (error) {
      if (this.#fd !== undefined || signal.aborted) throw error;
    } finally {
      this.#waiting = false;
    }
    if (this.#closed) throw new AgentError("not-found", "read: the process was removed");
  }

  /** At least one byte, or what `read` of the descriptor gave instead. */
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

  /** The first `length` bytes of a piece; the others stay. */
  #cut(piece: Piece, length: number): Piece {
    const { data, offset, block } = piece;
    if (data.length <= length) return piece;
    const [first, rest] = this.#kept?.journal.split(piece, length, this.#kept.key) ?? [
      { data: data.subarray(0, length), offset, block },
      { data: data.subarray(length), offset: offset + length, block },
    ];
    this.#returned.unshift(rest);
    return first;
  }

  /** Bytes that were read into memory of this process. */
  #take(data: Buffer): Piece {
    this.#total += data.length;
    return { data, offset: this.#total - data.length, block: undefined };
  }

  #give(piece: Piece): Buffer {
    this.#given.set(piece.data, piece);
    return piece.data;
  }

  /** Undefined: it was given back or delivered before. */
  #takeBack(data: Buffer): Piece | undefined {
    const piece = this.#given.get(data);
    this.#given.delete(data);
    return piece;
  }

  /** Where it was: before all that was taken later. */
  #return(piece: Piece): void {
    if (this.#closed) {
      this.#release(piece);
      return;
    }
    if (piece.block !== undefined) this.#kept?.journal.link(piece.block, undefined);
    const at = this.#returned.findIndex(({ offset }) => offset > piece.offset);
    this.#returned.splice(at < 0 ? this.#returned.length : at, 0, piece);
  }

  #release({ block }: Piece): void {
    this.#kept?.journal.release(block);
  }

  #end(writersGone: boolean): void {
    clearTimeout(this.#timer);
    if (this.#fd === undefined) return;
    this.#sys.close(this.#fd);
    this.#fd = undefined;
    this.onEnd?.(writersGone);
  }
}

/** Bytes in a pipe; where the kernel doesn't say, what a terminal may hold. */
export function leftIn(sys: Pick<Sys, "readable">, fd: Fd): number {
  try {
    return sys.readable(fd);
  } catch {
    return MAX_LEFT_IN_TERMINAL;
  }
}

/** A terminal gives 4 KiB at a time, however much waits: as much as there is, so that hosts need not ask for each. */
function readTerminal(sys: Sys, fd: Fd, into: Uint8Array): number {
  let total = 0;
  while (total < into.length) {
    const count = sys.read(fd, into.subarray(total));
    if (count <= 0) return total > 0 ? total : count;
    total += count;
  }
  return total;
}
