import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { STREAM, STREAM_HEADER_BYTES } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import { streamBytes } from "../../service/stream-bytes.ts";
import type { Attached } from "../../service/streams/attach.ts";
import type { Output } from "./frame-carrier.ts";
import type { FrameStream } from "./frame-stream.ts";

/**
 * Most output of a frame before the client has acknowledged some on this connection: a connection that is always cut soon must
 * still make progress, and clients take a frame whole.
 */
const FIRST_BYTES = 32_768 - STREAM_HEADER_BYTES;

const gap = codec("guestd.v1.Gap", guestd.v1.Gap);
const time = codec("guestd.v1.Time", guestd.v1.Time);

export interface SenderEvents {
  /** The end of the output was sent. */
  onEnd(): void;
  onError(error: unknown): void;
}

export interface SenderOptions {
  /** True for the client that acknowledges; false for an observer. */
  readonly isOwner: boolean;
  /** True if the client wants the times at which bytes were taken. */
  readonly hasTimes: boolean;
}

/** Sends one output of a process to an attached client, as far as the client reads and acknowledges. */
export class OutputSender {
  readonly #frames: FrameStream;
  readonly #output: Attached["stdout"];
  /** An observer's frames are copied: the client may acknowledge bytes while the rest of a spliced frame waits. */
  readonly #sent: Output;
  readonly #stream: number;
  readonly #events: SenderEvents;
  readonly #options: SenderOptions;
  /** Offset after the last byte sent. */
  #offset = 0;
  /** The client has everything before. */
  #start = 0;
  /** Time of the last byte sent. */
  #ms: number | undefined;
  #isAcknowledged = false;
  #isPumping = false;
  #isEnded = false;
  #isClosed = false;

  constructor(
    frames: FrameStream,
    output: Attached["stdout"],
    stream: number,
    events: SenderEvents,
    options: SenderOptions,
  ) {
    this.#frames = frames;
    this.#output = output;
    this.#sent = options.isOwner ? output : { copy: (...args) => output.copy(...args) };
    this.#stream = stream;
    this.#events = events;
    this.#options = options;
  }

  /** True once the end of the output was sent. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Begins at `offset`, before which the client has everything, also what is still in the process's pipe. */
  start(offset: number): void {
    this.#start = offset;
    this.#offset = this.#options.isOwner ? Math.min(offset, this.#output.end) : offset;
    if (this.#options.isOwner) this.#output.acknowledge(this.#offset);
    this.pump();
    if (!this.#isClosed) this.#output.watch(this); // the output of a short command may have ended by now
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
    if (this.#isPumping || this.#isEnded || this.#isClosed) return;
    this.#isPumping = true;
    try {
      while (!this.#isClosed && !this.#frames.isFull && this.#sendNext());
    } catch (error) {
      this.#events.onError(error);
    } finally {
      this.#isPumping = false;
    }
  }

  onLost(error: unknown): void {
    this.#events.onError(error);
  }

  close(): void {
    this.#isClosed = true;
    this.#output.unwatch(this);
  }

  /** Returns false if nothing more can be sent now. */
  #sendNext(): boolean {
    const { base } = this.#output;
    if (this.#offset < base) return this.#skipTo(base);
    const available = this.#output.available(this.#offset);
    if (available > 0) return this.#offset < this.#start ? this.#passOver(available) : this.#sendData(available);
    if (!this.#output.isOver(this.#offset)) return this.#output.end > this.#offset;
    this.#isEnded = true;
    this.close();
    this.#frames.push("eof", this.#stream, this.#offset);
    this.#events.onEnd();
    return false;
  }

  /** Continues at `base`, before which nothing is kept. */
  #skipTo(base: number): boolean {
    if (this.#offset < this.#start) {
      this.#offset = Math.min(base, this.#start);
      return true;
    }
    const message = gap.encode({ to: base, reason: this.#output.gapReason });
    this.#frames.push("gap", this.#stream, this.#offset, message);
    this.#offset = base;
    return true;
  }

  /** Acknowledges bytes that the client has. */
  #passOver(available: number): boolean {
    this.#offset = Math.min(this.#offset + available, this.#start);
    this.#output.acknowledge(this.#offset);
    return true;
  }

  #sendData(available: number): boolean {
    const most = this.#isAcknowledged ? available : Math.min(available, FIRST_BYTES);
    const sent = this.#frames.pushOutput(this.#stream, this.#offset, this.#sent, this.#sendTime(most));
    this.#offset += sent;
    streamBytes[this.#stream === STREAM.stdout ? "stdout" : "stderr"] += sent;
    return sent > 0;
  }

  /** Sends the time of the next byte, if the client wants it. Returns how many of `most` bytes have that time. */
  #sendTime(most: number): number {
    const moment = this.#options.hasTimes ? this.#output.timeAt(this.#offset) : undefined;
    if (moment === undefined) return most;
    if (moment.ms !== this.#ms) {
      this.#ms = moment.ms;
      this.#frames.push("time", this.#stream, this.#offset, time.encode({ ms: moment.ms }));
    }
    return Math.min(most, moment.to - this.#offset);
  }
}
