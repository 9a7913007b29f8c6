import { AgentError } from "../../kernel/error.ts";
import type { StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { AttachedOutput, OutputGap } from "./attached-output.ts";
import type { ByteMover } from "./byte-mover.ts";

/** Most bytes that one read returns. With a frame's header they are one write of 32 KiB, the most that every vsock device takes. */
export const MAX_READ = 32_768 - 16;

/** Parts shared by a process's outputs. */
export interface ResumableParts {
  readonly sys: Sys;
  readonly ledger: StreamLedger;
  readonly mover: ByteMover;
  readonly place: number;
}

/**
 * One output of a process whose client can continue at any offset that it has not acknowledged (HOLD). Bytes move from the
 * process's pipe to a second one, which init keeps, when they are sent, and leave it when they are acknowledged. So they are
 * in the kernel all the time, the process waits while its client is behind, and the agent's death loses none.
 */
export class ResumableOutput implements AttachedOutput {
  readonly keepBytes = 0;
  readonly #parts: ResumableParts;
  readonly #stream: 0 | 1;
  readonly #source: OutputStream;
  readonly #pipe: Fd;
  readonly #closed = new AbortController();
  /** Bytes in the pipe: those not acknowledged, and with observers earlier ones. */
  #held: number;
  #observers = 0;
  #room = Promise.withResolvers<void>();
  /** The move in progress, which all readers await. */
  #moving: Promise<void> | undefined;
  #ended = false;

  /** Owns the pipe. */
  constructor(parts: ResumableParts, stream: 0 | 1, source: OutputStream, pipe: Fd) {
    this.#parts = parts;
    this.#stream = stream;
    this.#source = source;
    this.#pipe = pipe;
    this.#held = parts.sys.readable(pipe);
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
    return this.end + this.#source.waiting;
  }

  acknowledge(offset: number): void {
    const { acked, end } = this;
    if (offset > end) {
      throw new AgentError("invalid-argument", `acknowledge byte ${offset}: only ${end} bytes were sent`);
    }
    if (offset <= acked) return;
    this.#parts.ledger.setAcked(this.#parts.place, this.#stream, offset);
    if (this.#observers === 0) this.#discard();
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  async read(offset: number, signal: AbortSignal): Promise<Buffer | OutputGap> {
    for (;;) {
      signal.throwIfAborted();
      const { base, end } = this;
      if (offset < base) return { to: base, reason: "they were acknowledged before" };
      if (offset < end) return this.#parts.mover.copy(this.#pipe, offset - base, MAX_READ);
      if (this.#ended) return Buffer.alloc(0);
      this.#moving ??= this.#move().finally(() => {
        this.#moving = undefined;
      });
      await waitUntil(this.#moving, signal);
    }
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
      if (--this.#observers === 0 && !this.#closed.signal.aborted) this.#discard();
    };
  }

  close(): void {
    this.#closed.abort(new AgentError("not-found", "attach: the process was removed"));
    this.#parts.sys.close(this.#pipe);
  }

  /** Moves the next bytes into the pipe, or makes room for them. */
  async #move(): Promise<void> {
    const { promise: room } = this.#room;
    const { signal } = this.#closed;
    const moved = await this.#source.move(this.#pipe, MAX_READ, signal);
    if (moved === 0) this.#ended = true;
    else if (moved > 0) this.#held += moved;
    else if (this.base < this.acked) this.#discard();
    else if (this.#held > 0) await waitUntil(room, signal);
  }

  /** Drops what the client has acknowledged. */
  #discard(): void {
    const { base, end } = this;
    this.#parts.mover.discard(this.#parts.place, this.#stream, this.#pipe, this.acked - base);
    this.#held = end - this.base;
  }
}
