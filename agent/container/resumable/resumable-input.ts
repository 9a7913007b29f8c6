import { AgentError } from "../../kernel/error.ts";
import type { InputStream } from "../process/input-stream.ts";
import type { ResumableParts } from "./resumable-output.ts";

/** Most bytes of input that wait for a process to read: a client sends no more before they are acknowledged. */
const INPUT_WINDOW_BYTES = 65_536;

/** Most bytes of input that wait for all processes together: there may be a thousand of them. */
const MAX_WAITING_BYTES = 16 << 20;
let waitingBytes = 0;

/** Reports about input that was received. */
export interface InputListener {
  /** Bytes before `offset` are written. */
  onWritten(offset: number): void;
  /** Input from `offset` on is not written, for this reason. */
  onRefused(offset: number, reason: string): void;
}

interface InputOfProcess {
  readonly input: InputStream;
  /** Closes the input, and init's copy. */
  closeInput(signal: AbortSignal): Promise<void>;
}

/**
 * Input of a process, whose position is exact even if the agent dies while it writes. Bytes that wait for room are in
 * memory only: the client keeps them until they are acknowledged, and sends them again.
 */
export class ResumableInput {
  readonly #parts: ResumableParts;
  readonly #process: InputOfProcess;
  #refused: string | undefined;

  constructor(parts: ResumableParts, process: InputOfProcess) {
    this.#parts = parts;
    this.#process = process;
  }

  /** Offset after the last byte that was written to the process. */
  get written(): number {
    return this.#parts.ledger.stdin(this.#parts.place);
  }

  get ended(): boolean {
    return this.#parts.ledger.stdinEnded(this.#parts.place);
  }

  /** Opens the input for one attachment, until the signal aborts. */
  open(listener: InputListener, signal: AbortSignal): InputWriter {
    return new InputWriter(this, listener, signal);
  }

  /** Writes the bytes that have room now; resolves with their number once there were any, or with all if it refuses input. */
  async write(bytes: Uint8Array, signal: AbortSignal): Promise<number> {
    const { mover, place } = this.#parts;
    const { input } = this.#process;
    while (this.#refused === undefined) {
      signal.throwIfAborted();
      try {
        const moved = mover.feed(place, bytes, (from, length) => input.move(from, length));
        if (moved > 0) return moved;
        await input.writable(signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#refused = error instanceof Error ? error.message : String(error);
      }
    }
    return bytes.length;
  }

  get refused(): string | undefined {
    return this.#refused;
  }

  async end(signal: AbortSignal): Promise<void> {
    if (this.ended) return;
    await this.#process.closeInput(signal);
    this.#parts.ledger.endStdin(this.#parts.place);
  }
}

/** Input that one attachment sends, in order. */
export class InputWriter {
  readonly #input: ResumableInput;
  readonly #listener: InputListener;
  readonly #signal: AbortSignal;
  /** Pieces that are not written completely. */
  #waiting: Uint8Array[] = [];
  /** Offset after the last byte received. */
  #received: number;
  #ending = false;
  #running = false;

  constructor(input: ResumableInput, listener: InputListener, signal: AbortSignal) {
    this.#input = input;
    this.#listener = listener;
    this.#signal = signal;
    this.#received = input.written;
  }

  /** Takes the bytes at `offset`, which must follow the last ones. */
  take(offset: number, bytes: Uint8Array): void {
    this.#check(offset);
    if (offset + bytes.length - this.#input.written > INPUT_WINDOW_BYTES && this.#input.refused === undefined) {
      const line = `input at ${offset}: over ${INPUT_WINDOW_BYTES} bytes are not acknowledged; wait for STDIN_ACK`;
      throw new AgentError("resource-exhausted", line);
    }
    if (waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      const line = `input at ${offset}: ${MAX_WAITING_BYTES >> 20} MiB of input wait for processes that don't read`;
      throw new AgentError("resource-exhausted", `${line}; send it later`);
    }
    this.#received += bytes.length;
    waitingBytes += bytes.length;
    this.#waiting.push(Uint8Array.from(bytes));
    void this.#run();
  }

  /** Ends the input after the bytes before `offset`. */
  end(offset: number): void {
    this.#check(offset);
    this.#ending = true;
    void this.#run();
  }

  #check(offset: number): void {
    if (this.#ending || this.#input.ended) {
      throw new AgentError("failed-precondition", `input at ${offset}: the input has ended`);
    }
    if (offset !== this.#received) {
      throw new AgentError("invalid-argument", `input at ${offset}: the next byte is ${this.#received}`);
    }
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      await this.#write();
    } catch (error) {
      for (const { length } of this.#waiting.splice(0)) waitingBytes -= length;
      if (!this.#signal.aborted) this.#listener.onRefused(this.#input.written, (error as Error).message);
    } finally {
      this.#running = false;
    }
  }

  async #write(): Promise<void> {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      const isRefused = this.#input.refused !== undefined;
      const written = await this.#input.write(first, this.#signal);
      waitingBytes -= written;
      if (written < first.length) this.#waiting[0] = first.subarray(written);
      else this.#waiting.shift();
      if (this.#input.refused === undefined) this.#listener.onWritten(this.#input.written);
      else if (!isRefused) this.#listener.onRefused(this.#input.written, this.#input.refused);
    }
    if (this.#ending && this.#input.refused === undefined) await this.#input.end(this.#signal);
  }
}
