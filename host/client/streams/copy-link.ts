import { once } from "node:events";
import type { Duplex } from "node:stream";
import type { Init } from "../../../proto/codec.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import {
  encodeStreamFrame,
  type FrameType,
  STREAM,
  type StreamFrame,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { DialError, dial } from "../dial.ts";
import { failureIn } from "../edge/failure.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { KeepAlive } from "./keep-alive.ts";
import { writeBounded } from "./write-bounded.ts";

/** The connection is lost; another one may continue. */
export class LostLink extends Error {
  override readonly name = "LostLink";
  /** True if it never existed. */
  readonly isUnreachable: boolean;

  constructor(message: string, isUnreachable = false) {
    super(message);
    this.isUnreachable = isUnreachable;
  }
}

/** One connection of a copy. */
export class CopyLink implements Disposable {
  readonly ready: guestd.v1.CopyReady;
  /** Bytes of the archive that have arrived. */
  received = 0;
  readonly #socket: Duplex;
  readonly #frames: AsyncGenerator<StreamFrame>;
  readonly #closed = new AbortController();
  readonly #alive: KeepAlive;
  readonly #forget: () => void;

  private constructor(
    socket: Duplex,
    frames: AsyncGenerator<StreamFrame>,
    ready: guestd.v1.CopyReady,
    alive: KeepAlive,
    signal: AbortSignal,
  ) {
    this.#socket = socket;
    this.#frames = frames;
    this.ready = ready;
    socket.once("close", () => this.#closed.abort(new LostLink("the connection ended")));
    this.#alive = alive;
    const destroy = () => void socket.destroy();
    signal.addEventListener("abort", destroy, { once: true });
    this.#forget = () => signal.removeEventListener("abort", destroy);
  }

  /** Connects and begins the copy. Rejects with LostLink, or with the agent's refusal as RpcError. */
  static async open(
    address: string,
    request: Init<guestd.v1.Copy>,
    signal: AbortSignal,
    connect: typeof dial = dial,
  ): Promise<CopyLink> {
    const socket = await connect(address, { signal }).catch((error: Error) => {
      // Anything but the dial's own error is a refusal of the caller's `connect`.
      throw error instanceof DialError ? new LostLink(error.message, true) : error;
    });
    let alive: KeepAlive | undefined;
    const destroy = () => void socket.destroy();
    signal.addEventListener("abort", destroy, { once: true });
    try {
      socket.on("error", () => undefined); // reading reports it
      socket.write(encodeStreamFrame("copy", STREAM.process, 0, requests.copy.encode({ version: 1, ...request })));
      const frames = framesOf(socket, () => alive?.answered());
      const { value: first } = await frames.next();
      if (first?.type !== "copyReady") throw new LostLink("the connection ended");
      const ready = answers.copyReady.decode(first.payload);
      alive = new KeepAlive(socket);
      return new CopyLink(socket, frames, ready, alive, signal);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", destroy);
    }
  }

  /** Aborted once the connection is closed. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /** Yields the agent's frames up to its copyEnd. Throws LostLink, or the agent's error as RpcError. */
  async *frames(): AsyncGenerator<StreamFrame> {
    for (;;) {
      const { done, value } = await this.#frames.next();
      if (done) throw new LostLink("the connection ended");
      if (value.type === "ping") this.send("pong", value.offset);
      else if (value.type !== "pong") yield value;
      if (value.type === "copyEnd") return;
    }
  }

  send(type: FrameType, offset: number, payload?: Uint8Array): void {
    writeBounded(this.#socket, encodeStreamFrame(type, STREAM.process, offset, payload));
  }

  /** Resolves once the connection has taken what was sent, or is closed. */
  async drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    await once(this.#socket, "drain", { signal: this.signal }).catch(() => undefined);
  }

  /** Sends the end of an archive. */
  sendEnd(offset: number): void {
    this.send("copyEnd", offset, requests.copyEnd.encode({ version: 1 }));
  }

  [Symbol.dispose](): void {
    this.#alive[Symbol.dispose]();
    this.#forget();
    this.#socket.end(() => this.#socket.destroy());
  }
}

/** Returns the lines about what the agent has left out. */
export const notesOf = ({ payload }: StreamFrame): readonly string[] => answers.copyEnd.decode(payload).notes;

async function* framesOf(socket: Duplex, onFrame: () => void): AsyncGenerator<StreamFrame> {
  const parser = new StreamFrameParser("agent", { cutData: true });
  const chunks = (socket.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>)[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await chunks.next().catch((error: Error) => {
      throw new LostLink(error.message);
    });
    if (done) return;
    onFrame();
    for (const frame of parser.push(value)) {
      if (frame.type !== "error") yield frame;
      else throw failureIn(frame.payload);
    }
  }
}
