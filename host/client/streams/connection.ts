import { once } from "node:events";
import type { Duplex } from "node:stream";
import {
  encodeStreamFrame,
  type FrameType,
  STREAM,
  type StreamFrame,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { DialError, type DialOptions, type dial } from "../dial.ts";
import { throwIfError } from "../edge/failure.ts";
import { RpcError } from "../rpc-error.ts";
import { dialStreams } from "./dial-streams.ts";
import { readFrames } from "./read-frames.ts";

const PING_MS = 15_000;
/** Pings without an answer after which a connection counts as lost. */
const MISSED = 3;
/** Bytes that may wait for an agent to read them. A client's own windows are far smaller. */
const MAX_UNREAD = 1 << 20;
/** How long the agent may take for the last bytes of a client that leaves. */
const CLOSE_MS = 1000;
/** First frames whose answer may take longer than the agent may be silent later: it starts a process, or looks at a tree. */
const SLOW: ReadonlySet<FrameType> = new Set(["attach", "copy"]);

export interface ConnectionOptions extends Pick<DialOptions, "dialVsock" | "singleBuffer" | "signal"> {
  /** Connects to the address. Default: `dialStreams`. */
  readonly dial?: typeof dial | undefined;
  /** Time between two pings, ms. Default: 15 s. */
  readonly pingMs?: number | undefined;
}

/** Connects. Rejects with RpcError "cut" if the dial fails, or with another error of the caller's `dial`. */
export async function openSocket(
  address: string,
  { dial: connect = dialStreams, ...options }: ConnectionOptions,
): Promise<Duplex> {
  const socket = await connect(address, options).catch((error: unknown) => {
    throw error instanceof DialError ? new RpcError("cut", error.message, { cause: error }) : error;
  });
  return socket.on("error", () => undefined); // reading reports it, writing may fail first
}

/**
 * One connection to guestd.v1.Streams. Answers pings, and ends if the agent doesn't answer its own: silence counts only while
 * the caller reads, since a reader that pauses finds the answers when it continues.
 */
export class Connection implements Disposable {
  readonly #socket: Duplex;
  readonly #closed = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #forget: () => void;
  #isReading = () => false;
  /** True once an answer of the agent may be expected at any time. */
  #isAnswered: boolean;
  #unanswered = 0;

  private constructor(socket: Duplex, isSlow: boolean, onAbort: (it: Connection) => void, options: ConnectionOptions) {
    const { signal, pingMs = PING_MS } = options;
    this.#socket = socket;
    this.#isAnswered = !isSlow;
    this.#timer = setInterval(() => this.#ping(), pingMs).unref();
    const abort = () => onAbort(this);
    signal?.addEventListener("abort", abort, { once: true });
    this.#forget = () => signal?.removeEventListener("abort", abort);
    socket.once("close", () => this.#closed.abort(cut("the connection ended")));
  }

  /**
   * Connects and sends the first frame. Rejects like `openSocket`. When the signal aborts later, `onAbort` is called. Default:
   * it closes the connection.
   */
  static async open(
    address: string,
    type: FrameType,
    request: Uint8Array,
    options: ConnectionOptions = {},
    onAbort = (connection: Connection) => connection.destroy(),
  ): Promise<Connection> {
    const socket = await openSocket(address, options);
    const connection = new Connection(socket, SLOW.has(type), onAbort, options);
    connection.send(type, 0, request);
    if (options.signal?.aborted) onAbort(connection);
    return connection;
  }

  /** Aborted once the connection is closed. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /** Sends a frame. An agent that makes us answer and reads nothing loses its connection, rather than filling our memory. */
  send(type: FrameType, offset = 0, payload?: Uint8Array, stream: number = STREAM.process): void {
    if (this.#socket.destroyed) return;
    if (this.#socket.writableLength > MAX_UNREAD) this.destroy("the agent doesn't read what it asks for");
    else this.#socket.write(encodeStreamFrame(type, stream, offset, payload));
  }

  /** Resolves once the connection has taken what was sent, or is closed. */
  async drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    await once(this.#socket, "drain", { signal: this.signal }).catch(() => undefined);
  }

  /** Yields the agent's frames, until the caller stops. Throws the agent's error, or RpcError "cut" at the connection's end. */
  async *frames(): AsyncGenerator<StreamFrame, never> {
    const parser = new StreamFrameParser("agent", { cutData: true });
    const chunks: AsyncIterator<Buffer> = this.#socket.iterator({ destroyOnReturn: false });
    this.#isReading = () => this.#socket.readableLength === 0;
    for (;;) {
      const { done, value } = await chunks.next().catch((error: Error) => {
        throw cut(error.message);
      });
      if (done) throw cut("the connection ended");
      this.#unanswered = 0;
      for (const frame of parser.push(value)) if (!this.#handles(frame)) yield frame;
    }
  }

  /**
   * Passes the agent's frames to `take`, whose promise is awaited before the next one; faster than `frames`, and the payloads
   * are valid no longer than that. Resolves once `take` returns "stop"; rejects like `frames`, or with the error of `take`.
   */
  async read(take: (frame: StreamFrame) => undefined | "stop" | Promise<undefined>): Promise<void> {
    this.#isReading = () => !this.#socket.isPaused();
    const end = await readFrames(this.#socket, (frame) => {
      this.#unanswered = 0;
      return this.#handles(frame) ? undefined : take(frame);
    });
    if (end !== "stop") throw cut("the connection ended");
  }

  destroy(reason?: string): void {
    this.#socket.destroy(reason === undefined ? undefined : new Error(reason));
  }

  /** Closes the connection after what was sent, if the agent takes it. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#forget();
    const isWriting = !this.#socket.destroyed && this.#socket.writableLength > 0;
    if (!isWriting) {
      this.destroy();
      return;
    }
    const late = setTimeout(() => this.destroy(), CLOSE_MS);
    this.#socket.once("close", () => clearTimeout(late)).end(() => this.destroy());
  }

  /** Handles frames that any connection may have. Throws the error that one reports. */
  #handles(frame: StreamFrame): boolean {
    const { type, offset } = frame;
    this.#isAnswered = true;
    throwIfError(frame);
    if (type === "ping") this.send("pong", offset);
    return type === "ping" || type === "pong";
  }

  #ping(): void {
    if (!this.#isAnswered || !this.#isReading()) return;
    if (this.#unanswered++ >= MISSED) this.destroy("the agent doesn't answer");
    else this.send("ping");
  }
}

const cut = (reason: string) => new RpcError("cut", reason);
