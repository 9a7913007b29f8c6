import { AgentError } from "../../kernel/error.ts";
import type { StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { ByteMover } from "./byte-mover.ts";

/** Most bytes that one read returns. With a frame's header they are one write of 32 KiB, the most that every vsock device takes. */
const MAX_READ = 32_768 - 16;

/** Parts shared by a process's outputs. */
export interface ResumableParts {
  readonly sys: Sys;
  readonly ledger: StreamLedger;
  readonly mover: ByteMover;
  readonly place: number;
}

/**
 * One output of a process whose client can continue at any offset that it has not acknowledged. Bytes move from the
 * process's pipe to a second one, which init keeps, when they are sent, and leave it when they are acknowledged. So they are
 * in the kernel all the time, the process waits while its client is behind, and the agent's death loses none.
 */
export class ResumableOutput {
  readonly #parts: ResumableParts;
  readonly #stream: 0 | 1;
  readonly #source: OutputStream;
  readonly #pipe: Fd;
  /** Bytes in the pipe: sent, or about to be, and not acknowledged. */
  #held: number;
  #room = Promise.withResolvers<void>();

  /** Owns the pipe. */
  constructor(parts: ResumableParts, stream: 0 | 1, source: OutputStream, pipe: Fd) {
    this.#parts = parts;
    this.#stream = stream;
    this.#source = source;
    this.#pipe = pipe;
    this.#held = parts.sys.readable(pipe);
  }

  /** Offset of the first byte that isn't acknowledged. */
  get base(): number {
    return this.#parts.ledger.acked(this.#parts.place, this.#stream);
  }

  /** Offset after the last byte taken from the process. */
  get end(): number {
    return this.base + this.#held;
  }

  /** Drops the bytes before `offset`, which the client has. Throws if it can't have them. */
  acknowledge(offset: number): void {
    const { base, end } = this;
    if (offset > end) {
      throw new AgentError("invalid-argument", `acknowledge byte ${offset}: only ${end} bytes were sent`);
    }
    if (offset <= base) return;
    this.#parts.mover.discard(this.#parts.place, this.#stream, this.#pipe, offset - base);
    this.#held = end - this.base;
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  /** Resolves with the bytes from `offset` on, at least one; none at the end of the output. */
  async read(offset: number, signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      if (offset < this.end) return this.#parts.mover.copy(this.#pipe, offset - this.base, MAX_READ);
      const { promise: room } = this.#room;
      const moved = await this.#source.move(this.#pipe, MAX_READ, signal);
      if (moved === 0) return Buffer.alloc(0);
      if (moved > 0) this.#held += moved;
      else if (this.#held > 0) await waitUntil(room, signal);
    }
  }

  close(): void {
    this.#parts.sys.close(this.#pipe);
  }
}
