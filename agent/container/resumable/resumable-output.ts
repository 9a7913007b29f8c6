import { AgentError } from "../../kernel/error.ts";
import type { StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import type { OutputStream } from "../process/output-stream.ts";
import { type ByteMover, LARGE_PIPE_BYTES, MAX_WINDOW_BYTES } from "./byte-mover.ts";

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
 * One output of a process whose client can continue at any offset that it has not acknowledged. The bytes stay in a pipe
 * until then: the process's own pipe, or for a terminal, whose bytes can't be copied without taking them, a second one that
 * init keeps. So they are in the kernel all the time, the process waits while its client is behind, and the agent's death
 * loses none.
 */
export class ResumableOutput {
  readonly #parts: ResumableParts;
  readonly #stream: 0 | 1;
  readonly #source: OutputStream;
  readonly #kept: Fd | undefined;
  /** Bytes in the pipe when it was last looked at: sent, or about to be, and not acknowledged. */
  #held: number;
  #isLarge = false;

  /** `kept` is a terminal's second pipe, which this object then owns. */
  constructor(parts: ResumableParts, stream: 0 | 1, source: OutputStream, kept?: Fd) {
    this.#parts = parts;
    this.#stream = stream;
    this.#source = source;
    this.#kept = kept;
    this.#held = kept === undefined ? Math.min(source.waiting, MAX_WINDOW_BYTES) : parts.sys.readable(kept);
  }

  /** Offset of the first byte that isn't acknowledged. */
  get base(): number {
    return this.#parts.ledger.acked(this.#parts.place, this.#stream);
  }

  /** Offset after the last byte known of. */
  get end(): number {
    return this.base + this.#held;
  }

  /** Drops the bytes before `offset`, which the client has. Throws if it can't have them. */
  acknowledge(offset: number): void {
    const { base, end } = this;
    if (offset > end) {
      throw new AgentError("invalid-argument", `acknowledge byte ${offset}: only ${end} bytes were sent`);
    }
    const pipe = this.#kept ?? this.#source.pipe;
    if (offset <= base || pipe === undefined) return;
    if (this.#held >= FULL_BYTES) this.#enlarge(pipe);
    this.#parts.mover.discard(this.#parts.place, this.#stream, pipe, offset - base);
    if (this.#kept === undefined) this.#source.dropped(this.base - base);
    this.#held = end - this.base;
  }

  /** Calls `onChange` soon, and then whenever there may be more output, or its end, until the returned function is called. */
  watch(onChange: () => void, onLost: (error: unknown) => void): () => void {
    return this.#source.watch(onChange, onLost);
  }

  /** Returns how many bytes there are from `offset` on, as far as they may be sent before the client acknowledges earlier ones. */
  available(offset: number): number {
    if (offset < this.end) return this.end - offset;
    if (this.#kept === undefined) this.#held = Math.min(this.#source.waiting, MAX_WINDOW_BYTES);
    else this.#held += Math.max(this.#source.move(this.#kept, MAX_MOVE), 0);
    return this.end - offset;
  }

  /** True if the output ends at `offset`, where nothing is available. */
  isOver(offset: number): boolean {
    if (!this.#source.isComplete || this.available(offset) > 0) return false;
    // The pipe may hold more than the window.
    return this.#kept === undefined ? this.#source.waiting === this.#held : !this.#source.open;
  }

  /** Copies up to `most` available bytes: see ByteMover.copy. */
  copy(offset: number, most: number, room?: number): Buffer {
    return this.#parts.mover.copy(this.#pipe, this.#skip(offset), most, room);
  }

  /** Sends up to `most` available bytes to a socket, within the kernel: see ByteMover.send. */
  send(offset: number, most: number, to: Fd, header?: (length: number) => Uint8Array): [number, number] {
    return this.#parts.mover.send(this.#pipe, this.#skip(offset), most, to, header);
  }

  /** Ends the output of a process whose client has all of it. */
  finish(): void {
    this.#source.finish();
  }

  close(): void {
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
