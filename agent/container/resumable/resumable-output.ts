import { AgentError } from "../../kernel/error.ts";
import type { StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { AttachedOutput, OutputWatcher } from "./attached-output.ts";
import { type ByteMover, type Framing, LARGE_PIPE_BYTES, MAX_WINDOW_BYTES } from "./byte-mover.ts";

/** Most bytes taken from a terminal at a time. */
const MAX_MOVE = 32_768;
/** A pipe with as many bytes belongs to a process that is waiting for its client. */
const FULL_BYTES = 65_536 - 4096;

/** Parts shared by a process's outputs. */
export interface ResumableParts {
  readonly sys: Sys;
  readonly ledger: StreamLedger;
  readonly mover: ByteMover;
  readonly place: number;
}

/**
 * One output of a process whose client can continue at any offset that it has not acknowledged (HOLD). The bytes stay in a pipe
 * until then: the process's own pipe, or for a terminal, whose bytes can't be copied without taking them, a second one that
 * init keeps. So they are in the kernel all the time, the process waits while its client is behind, and the agent's death
 * loses none.
 *
 * Acknowledged bytes stay for observers while half of the pipe's pages are free: the process never waits for an observer.
 */
export class ResumableOutput implements AttachedOutput {
  readonly keepBytes = 0;
  readonly gapReason = "they were acknowledged before";
  readonly #parts: ResumableParts;
  readonly #stream: 0 | 1;
  readonly #source: OutputStream;
  readonly #kept: Fd | undefined;
  #watchers: readonly OutputWatcher[] = [];
  #unwatch: (() => void) | undefined;
  /** Bytes in the pipe when it was last looked at: those not acknowledged, and with observers earlier ones. */
  #held: number;
  /** True if the pipe is known to hold more than the window. */
  #isBeyond = false;
  #observers = 0;
  #isLarge = false;
  #isClosed = false;

  /** `kept` is a terminal's second pipe, which this object then owns. */
  constructor(parts: ResumableParts, stream: 0 | 1, source: OutputStream, kept?: Fd) {
    this.#parts = parts;
    this.#stream = stream;
    this.#source = source;
    this.#kept = kept;
    this.#held = kept === undefined ? Math.min(source.waiting, MAX_WINDOW_BYTES) : parts.sys.readable(kept);
  }

  get mode() {
    return this.#parts.ledger.mode(this.#parts.place);
  }

  get base(): number {
    return this.#parts.ledger.base(this.#parts.place, this.#stream);
  }

  get end(): number {
    return this.base + this.#held;
  }

  get acked(): number {
    return this.#parts.ledger.acked(this.#parts.place, this.#stream);
  }

  get printed(): number {
    return (this.#kept === undefined ? this.base : this.end) + this.#source.waiting;
  }

  acknowledge(offset: number): void {
    const { acked, end } = this;
    if (offset > end) {
      throw new AgentError("invalid-argument", `acknowledge byte ${offset}: only ${end} bytes were sent`);
    }
    if (offset <= acked) return;
    this.#parts.ledger.setAcked(this.#parts.place, this.#stream, offset);
    if (this.#observers === 0) this.#discard();
    else this.#makeRoom();
  }

  watch(watcher: OutputWatcher): void {
    this.#watchers = [...this.#watchers, watcher];
    this.#unwatch ??= this.#source.watch(
      () => {
        this.#makeRoom();
        this.#wake();
      },
      (error) => {
        for (const each of this.#watchers) each.onLost(error);
      },
    );
  }

  unwatch(watcher: OutputWatcher): void {
    this.#watchers = this.#watchers.filter((each) => each !== watcher);
    if (this.#watchers.length > 0) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  available(offset: number): number {
    if (offset >= this.end && !this.#isBeyond) this.#look();
    return this.end - offset;
  }

  isOver(offset: number): boolean {
    if (this.#isBeyond || !this.#source.isComplete || this.available(offset) > 0) return false;
    // The pipe may hold more than the window.
    return this.#kept === undefined ? this.#source.waiting === this.#held : !this.#source.open;
  }

  copy(offset: number, most: number, room?: number): Buffer {
    return this.#parts.mover.copy(this.#pipe, this.#skip(offset), most, room);
  }

  send(offset: number, most: number, to: Fd, framing?: Framing): [number, number] {
    return this.#parts.mover.send(this.#pipe, this.#skip(offset), most, to, framing);
  }

  since(): number {
    return this.base;
  }

  timeAt(): undefined {
    return undefined;
  }

  observe(): () => void {
    this.#observers++;
    return () => {
      if (--this.#observers === 0) this.#discard();
    };
  }

  finish(): void {
    this.#source.finish();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#kept !== undefined) this.#parts.sys.close(this.#kept);
  }

  get #pipe(): Fd {
    const pipe = this.#kept ?? this.#source.pipe;
    if (pipe === undefined) throw new AgentError("not-found", "read: the output was closed");
    return pipe;
  }

  /** Bytes in the pipe before `offset`. Throws if the client has acknowledged bytes that were only about to be sent. */
  #skip(offset: number): number {
    const skip = offset - this.base;
    if (skip < 0)
      throw new AgentError("invalid-argument", `send byte ${offset}: it was acknowledged before it was sent`);
    return skip;
  }

  #wake(): void {
    for (const each of this.#watchers) each.pump();
  }

  /** Counts the bytes in the pipe again; takes more of a terminal. */
  #look(): void {
    if (this.#kept === undefined) {
      const { waiting } = this.#source;
      this.#held = Math.min(waiting, MAX_WINDOW_BYTES);
      this.#isBeyond = waiting > MAX_WINDOW_BYTES;
      return;
    }
    const wasOpen = this.#source.open;
    let moved = this.#source.move(this.#kept, MAX_MOVE);
    if (moved < 0 && this.base < this.acked && this.#source.waiting > 0) {
      this.#discard();
      moved = this.#source.move(this.#kept, MAX_MOVE);
    }
    this.#held += Math.max(moved, 0);
    // The kernel reports to the other readers neither what was moved nor an end that was found here.
    const isNews = moved > 0 || (wasOpen && !this.#source.open);
    if (isNews && this.#observers > 0) process.nextTick(() => this.#wake());
  }

  /** Drops what the client has acknowledged, unless half of the process's pipe is free: observers may want it. */
  #makeRoom(): void {
    const pipe = this.#source.pipe;
    if (this.#kept !== undefined || pipe === undefined || this.base === this.acked) return;
    try {
      // The kernel refuses a size that has no room for the pages in use, of which even a single byte may take one.
      this.#parts.sys.resizePipe(pipe, LARGE_PIPE_BYTES / 2);
      this.#parts.sys.resizePipe(pipe, LARGE_PIPE_BYTES);
      this.#isLarge = true;
    } catch {
      this.#discard();
    }
  }

  /** Drops what the client has acknowledged. */
  #discard(): void {
    const pipe = this.#kept ?? this.#source.pipe;
    const { acked, base, end } = this;
    if (acked <= base || pipe === undefined || this.#isClosed) return;
    if (this.#held >= FULL_BYTES) this.#enlarge(pipe);
    try {
      this.#parts.mover.discard(this.#parts.place, this.#stream, pipe, acked - base);
    } finally {
      if (this.#kept === undefined) this.#source.dropped(this.base - base);
      this.#held = end - this.base;
      this.#isBeyond = false;
    }
    // The window of other readers has moved, too.
    if (this.#watchers.length > 1) process.nextTick(() => this.#wake());
  }

  /** Gives a client that acknowledges room for more, so that process, agent and client work at the same time. */
  #enlarge(pipe: Fd): void {
    if (this.#isLarge) return;
    this.#isLarge = true;
    try {
      this.#parts.sys.resizePipe(pipe, LARGE_PIPE_BYTES);
    } catch {
      // The window stays what it is.
    }
  }
}
