import {
  encodeStreamFrame,
  type FrameType,
  STREAM_HEADER_BYTES,
  type StreamFrame,
  StreamFrameParser,
  writeStreamHeader,
} from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import type { CarrierReader, FrameCarrier, Output } from "./frame-carrier.ts";

/** Answers to pings that may wait for a client that doesn't read. */
const MAX_UNREAD = 1 << 20;
/** How long a connection stays open after its last frame, for a client that is still sending. */
const LINGER_MS = 1000;

/** Takes the frames of one connection. */
export interface FrameTaker {
  /** Takes the client's next frame; no other one follows before a returned promise resolves. */
  take(frame: StreamFrame): void | Promise<void>;
  /** `take` threw or rejected, or the client sent bytes that are no frame. No frame follows. */
  onError(error: unknown): void;
  /** The connection is closed. */
  onClosed?(): void;
}

/** The frames of one connection, in both directions. */
export class FrameStream implements CarrierReader {
  readonly #carrier: FrameCarrier;
  readonly #taker: FrameTaker;
  readonly #parser = new StreamFrameParser("client");
  /** Frames that arrived while an earlier one is being taken; undefined if none is. */
  #waiting: StreamFrame[] | undefined;
  /** Set once the last frame is sent: whatever arrives is dropped. */
  #isEnding = false;
  #isClosed = false;
  #closed: AbortController | undefined;
  // Undefined if there are none, as for a thousand attachments that are idle.
  #closers: (() => void)[] | undefined;
  #drained: (() => void)[] | undefined;
  /** Sends more when there is room again, after `isFull` was true. */
  sender: { pump(): void } | undefined;

  constructor(carrier: FrameCarrier, taker: FrameTaker) {
    this.#carrier = carrier;
    this.#taker = taker;
    carrier.reader = this;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Aborted once the connection is closed. */
  get signal(): AbortSignal {
    this.#closed ??= new AbortController();
    if (this.#isClosed) this.#closed.abort(new Error("the connection is closed"));
    return this.#closed.signal;
  }

  /** Calls back once the connection is closed. */
  onClose(closer: () => void): void {
    if (this.#isClosed) closer();
    else this.#closers = [...(this.#closers ?? []), closer];
  }

  /** True while frames wait for the client to read earlier ones. */
  get isFull(): boolean {
    return this.#carrier.isFull;
  }

  /** Sends a frame; resolves when there is room for the next. */
  async send(type: FrameType, stream: number, offset: number, payload?: Uint8Array): Promise<void> {
    if (!this.push(type, stream, offset, payload)) await this.#room();
  }

  /** Sends a frame whose payload follows the room for a header in `frame`; resolves when there is room for the next. */
  async sendCopy(type: FrameType, stream: number, offset: number, frame: Buffer): Promise<void> {
    if (this.#isEnding || this.#isClosed) return;
    writeStreamHeader(frame, type, stream, offset, frame.length - STREAM_HEADER_BYTES);
    this.#carrier.writeCopy(frame);
    if (this.#carrier.isFull) await this.#room();
  }

  async #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = [...(this.#drained ?? []), resolve];
    await waitUntil(promise, this.signal);
  }

  /** Sends a frame without waiting; returns false if frames wait to be written. */
  push(type: FrameType, stream: number, offset: number, payload?: Uint8Array): boolean {
    if (this.#isEnding || this.#isClosed) return true;
    if (this.#carrier.unsent > MAX_UNREAD) this.destroy();
    this.#carrier.write(encodeStreamFrame(type, stream, offset, payload));
    return !this.#carrier.isFull;
  }

  /** Sends available output as a DATA frame. Returns its length; 0 if there is no room now. */
  pushOutput(stream: number, offset: number, output: Output, available: number): number {
    if (this.#isEnding || this.#isClosed) return 0;
    return this.#carrier.writeOutput(stream, offset, output, available);
  }

  /** Copies what is still to be sent of outputs, which may change or end afterwards. */
  settle(): void {
    if (!this.#isClosed) this.#carrier.settle();
  }

  /**
   * Closes after what was sent. Reads on until the client closes too, for a while: a client that still writes would get
   * EPIPE, and its Node would drop the last frames unread.
   */
  end(): void {
    if (this.#isEnding || this.#isClosed) return;
    this.#isEnding = true;
    this.#carrier.setPaused(false);
    const timer = setTimeout(() => this.destroy(), LINGER_MS);
    this.onClose(() => clearTimeout(timer));
  }

  /** Ends the frames and returns the connection's descriptor to the caller. Throws if the client has sent more. */
  release(): Fd {
    if (this.#parser.isInside || (this.#waiting ?? []).length > 0) {
      throw new AgentError("invalid-argument", "the client sent data before it was answered");
    }
    return this.#carrier.release();
  }

  destroy(): void {
    this.#carrier.destroy();
  }

  onBytes(bytes: Buffer): void {
    if (this.#isEnding) return;
    let frames: StreamFrame[];
    try {
      frames = withoutSuperseded(this.#parser.push(bytes));
    } catch (error) {
      this.#taker.onError(error);
      return;
    }
    if (this.#waiting !== undefined) this.#waiting.push(...frames);
    else this.#take(frames);
  }

  onRoom(): void {
    const drained = this.#drained ?? [];
    this.#drained = undefined;
    for (const resolve of drained) resolve();
    this.sender?.pump();
  }

  onClosed(): void {
    this.#isClosed = true;
    this.#closed?.abort(new Error("the connection is closed"));
    const closers = this.#closers ?? [];
    this.#closers = undefined;
    this.#taker.onClosed?.();
    for (const closer of closers) closer();
  }

  /** Takes frames until one of them takes time; continues when that is done, and reads no more meanwhile. */
  #take(frames: StreamFrame[]): void {
    for (let at = 0; at < frames.length; at++) {
      const frame = frames[at];
      if (frame === undefined || this.#isEnding || this.#isClosed) return;
      try {
        const taking = this.#taker.take(frame);
        if (taking === undefined) continue;
        this.#waiting = frames.slice(at + 1);
        this.#carrier.setPaused(true);
        taking.then(
          () => this.#continue(),
          (error: unknown) => this.fail(error),
        );
      } catch (error) {
        this.fail(error);
      }
      return;
    }
  }

  #continue(): void {
    const frames = this.#waiting ?? [];
    this.#waiting = undefined;
    if (this.#isClosed) return;
    try {
      this.#carrier.setPaused(false);
    } catch {
      this.destroy(); // the kernel refuses the watch
    }
    this.#take(frames);
  }

  /** Reports an error to the taker, which ends the frames, unless the connection is closed. */
  fail(error: unknown): void {
    this.#waiting = undefined;
    if (!this.#isClosed) this.#taker.onError(error);
  }
}

/** Leaves out each acknowledgement that the next frame includes: a client that is ahead of the agent sends several. */
function withoutSuperseded(frames: StreamFrame[]): StreamFrame[] {
  if (frames.length < 2) return frames;
  return frames.filter(({ type, stream, offset }, at) => {
    const next = frames[at + 1];
    return !(type === "ack" && next?.type === "ack" && next.stream === stream && next.offset >= offset);
  });
}
