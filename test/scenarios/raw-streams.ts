import { once } from "node:events";
import type { Duplex } from "node:stream";
import { dialStreams } from "../../host/client/streams/dial-streams.ts";
import { codec, type Init } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import {
  encodeStreamFrame,
  type FrameType,
  STREAM,
  type StreamFrame,
  StreamFrameParser,
} from "../../proto/stream-frame.ts";

const attach = codec("guestd.v1.Attach", guestd.v1.Attach);
const failure = codec("guestd.v1.Failure", guestd.v1.Failure);

/** A client of guestd.v1.Streams that sends what a test wants, and acknowledges nothing by itself. */
export class RawStreams implements AsyncDisposable {
  readonly socket: Duplex;
  readonly frames: StreamFrame[] = [];
  #woken = Promise.withResolvers<void>();
  #closed = false;

  private constructor(socket: Duplex) {
    this.socket = socket;
    const parser = new StreamFrameParser("agent");
    const wake = () => {
      this.#woken.resolve();
      this.#woken = Promise.withResolvers();
    };
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.frames.push(...parser.push(chunk));
      wake();
    });
    socket.on("close", () => {
      this.#closed = true;
      wake();
    });
  }

  static async connect(address: string): Promise<RawStreams> {
    return new RawStreams(await dialStreams(address));
  }

  static async attach(address: string, request: Init<guestd.v1.Attach>): Promise<RawStreams> {
    const raw = await RawStreams.connect(address);
    raw.send("attach", STREAM.process, 0, attach.encode({ version: 1, client: "raw", ...request }));
    return raw;
  }

  send(type: FrameType, stream: number, offset: number, payload?: Uint8Array): void {
    this.socket.write(encodeStreamFrame(type, stream, offset, payload));
  }

  /** Resolves with the first frame of a type; rejects if the connection ends before. */
  async frame(type: FrameType): Promise<StreamFrame> {
    for (;;) {
      const found = this.frames.find((frame) => frame.type === type);
      if (found !== undefined) return found;
      if (this.#closed) throw new Error(`the connection ended after ${this.frames.map((it) => it.type).join(", ")}`);
      await this.#woken.promise;
    }
  }

  /** Resolves with the agent's error once it has closed the connection: "kind: message". */
  async error(): Promise<string> {
    const { payload } = await this.frame("error");
    this.socket.end();
    if (!this.#closed) await once(this.socket, "close");
    const errors = this.frames.filter(({ type }) => type === "error").length;
    const { kind, message } = failure.decode(payload);
    return errors === 1 ? `${kind}: ${message}` : `${errors} errors`;
  }

  /** Bytes of an output that have arrived. */
  received(stream: number): Buffer {
    const data = this.frames.filter((frame) => frame.type === "data" && frame.stream === stream);
    return Buffer.concat(data.map(({ payload }) => payload));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }
}
