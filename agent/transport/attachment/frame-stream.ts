import { once } from "node:events";
import { encodeStreamFrame, type FrameType, type StreamFrame, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import type { WireStream } from "../wire-stream.ts";

/** Answers to pings that may wait for a client that doesn't read. */
const MAX_UNREAD = 1 << 20;
/** How long a connection stays open after its last frame, for a client that is still sending. */
const LINGER_MS = 1000;

/** The frames of one connection. */
export class FrameStream {
  readonly #stream: WireStream;
  readonly #closed = new AbortController();
  /** Set once the last frame is sent: whatever arrives is dropped. */
  #ending = false;
  /** True if bytes follow the frame that was yielded last. */
  #isAhead = false;
  #isReleased = false;

  constructor(stream: WireStream) {
    this.#stream = stream;
    stream.on("error", () => stream.destroy());
    stream.once("close", () => this.#closed.abort(new Error("the connection is closed")));
  }

  /** Aborted once the connection is closed. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /** Yields the client's frames until the connection ends; none after `end`. Throws StreamFrameError, and errors of reading. */
  async *frames(): AsyncGenerator<StreamFrame> {
    const parser = new StreamFrameParser("client");
    const chunks = this.#stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    for await (const chunk of chunks) {
      if (this.#ending) continue;
      const frames = parser.push(chunk);
      for (const [index, frame] of frames.entries()) {
        if (this.#ending) break;
        this.#isAhead = parser.isInside || index < frames.length - 1;
        yield frame;
      }
    }
  }

  /** Sends a frame; resolves when there is room for the next. */
  async send(type: FrameType, stream: number, offset: number, payload?: Uint8Array): Promise<void> {
    if (!this.push(type, stream, offset, payload)) await waitUntil(once(this.#stream, "drain"), this.signal);
  }

  /** Sends a frame without waiting; returns false if frames wait to be written. */
  push(type: FrameType, stream: number, offset: number, payload?: Uint8Array): boolean {
    if (this.#ending || this.#stream.destroyed) return true;
    if (this.#stream.writableLength > MAX_UNREAD) this.#stream.destroy();
    return this.#stream.write(encodeStreamFrame(type, stream, offset, payload));
  }

  /**
   * Closes after what was sent. Reads on until the client closes too, for a while: a client that still writes would get
   * EPIPE, and its Node would drop the last frames unread.
   */
  end(): void {
    this.#ending = true;
    const timer = setTimeout(() => this.#stream.destroy(), LINGER_MS);
    this.#stream.once("close", () => clearTimeout(timer));
  }

  /** Reads to the end of a connection that `end` is closing. */
  async drain(): Promise<void> {
    try {
      for await (const _ of this.frames());
    } catch {
      // The connection is closed.
    }
    this.destroy();
  }

  /** Ends the frames and returns the connection's descriptor to the caller. Throws if the client has sent more. */
  release(): Fd {
    if (this.#isAhead || this.#stream.readableLength > 0) {
      throw new AgentError("invalid-argument", "the client sent data before it was answered");
    }
    this.#isReleased = true;
    return this.#stream.release();
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
