import { STREAM_HEADER_BYTES } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Output } from "./frame-carrier.ts";
import type { FrameStream } from "./frame-stream.ts";

/**
 * Most output of a frame before the client has acknowledged some on this connection: a connection that is always cut soon must
 * still make progress, and clients take a frame whole.
 */
const FIRST_BYTES = 32_768 - STREAM_HEADER_BYTES;

export interface SenderEvents {
  /** The end of the output was sent. */
  onEnd(): void;
  onError(error: unknown): void;
}

/** Sends one output of a process to an attached client, as far as the client reads and acknowledges. */
export class OutputSender {
  readonly #frames: FrameStream;
  readonly #output: Output;
  readonly #stream: number;
  readonly #events: SenderEvents;
  /** Offset after the last byte sent. */
  #offset = 0;
  #unwatch: (() => void) | undefined;
  #isAcknowledged = false;
  #isEnded = false;
  #isClosed = false;

  constructor(frames: FrameStream, output: Output, stream: number, events: SenderEvents) {
    this.#frames = frames;
    this.#output = output;
    this.#stream = stream;
    this.#events = events;
  }

  /** True once the end of the output was sent. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Begins at `offset`, before which the client has everything. */
  start(offset: number): void {
    this.#output.acknowledge(offset);
    this.#offset = offset;
    const lost = (error: unknown) => this.#events.onError(error);
    this.#unwatch = this.#output.watch(() => this.pump(), lost);
    this.pump();
  }

  acknowledge(offset: number): void {
    if (offset > this.#offset) {
      throw new AgentError("invalid-argument", `acknowledge byte ${offset}: only ${this.#offset} bytes were sent`);
    }
    this.#output.acknowledge(offset);
    this.#isAcknowledged = true;
    this.pump();
  }

  /** Sends what there is now, if the connection has room. */
  pump(): void {
    if (this.#isEnded || this.#isClosed) return;
    try {
      while (!this.#frames.isFull && this.#sendNext());
    } catch (error) {
      this.#events.onError(error);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  /** Returns false if nothing more can be sent now. */
  #sendNext(): boolean {
    const available = this.#output.available(this.#offset);
    if (available > 0) {
      const most = this.#isAcknowledged ? available : Math.min(available, FIRST_BYTES);
      const sent = this.#frames.pushOutput(this.#stream, this.#offset, this.#output, most);
      this.#offset += sent;
      return sent > 0;
    }
    if (!this.#output.isOver(this.#offset)) return this.#output.end > this.#offset;
    this.#isEnded = true;
    this.close();
    this.#frames.push("eof", this.#stream, this.#offset);
    this.#events.onEnd();
    return false;
  }
}
