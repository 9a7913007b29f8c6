import { constants, type ServerHttp2Stream } from "node:http2";
import { CODES } from "../../../proto/codes.ts";
import { GrpcFramesParser, WRAP_BYTES, wrapFrames, writeWrap } from "../../../proto/grpc-frames.ts";
import { STREAM_HEADER_BYTES, writeStreamHeader } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { CarrierReader, FrameCarrier, Output } from "./frame-carrier.ts";

/** Most output of one frame: a message of 32 KiB. */
const MAX_COPIED = 32_768 - STREAM_HEADER_BYTES - WRAP_BYTES;
/** Bytes that wait to be sent from which on a stream counts as full. */
const FULL_BYTES = 65_536;

/**
 * Frames on one gRPC stream. HTTP/2 provides the flow control. grpc-js isn't involved: it would buffer whole messages of any
 * client before it asks for their size.
 */
export class GrpcCarrier implements FrameCarrier {
  reader: CarrierReader | undefined;
  readonly #stream: ServerHttp2Stream;
  readonly #parser = new GrpcFramesParser();
  #status: { readonly code: number; readonly message: string } = { code: CODES.ok, message: "" };
  #isClosed = false;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
    stream.once("wantTrailers", () => {
      const { code, message } = this.#status;
      const text = message === "" ? {} : { "grpc-message": message.replace(/[^ -$&-~]/g, encodeURIComponent) };
      stream.sendTrailers({ "grpc-status": String(code), ...text });
    });
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("drain", () => this.reader?.onRoom());
    stream.once("end", () => this.destroy());
    stream.once("close", () => this.destroy());
  }

  get isFull(): boolean {
    return this.#stream.writableNeedDrain || this.unsent >= FULL_BYTES;
  }

  get unsent(): number {
    return this.#stream.writableLength;
  }

  write(frames: Buffer): void {
    if (!this.#isClosed) this.#stream.write(wrapFrames(frames));
  }

  writeCopy(frame: Buffer): void {
    this.write(frame);
  }

  writeOutput(stream: number, offset: number, output: Output, available: number): number {
    if (this.#isClosed || this.isFull) return 0;
    const message = output.copy(offset, Math.min(available, MAX_COPIED), WRAP_BYTES + STREAM_HEADER_BYTES);
    const length = message.length - WRAP_BYTES - STREAM_HEADER_BYTES;
    if (length <= 0) return 0;
    writeWrap(message, length + STREAM_HEADER_BYTES);
    writeStreamHeader(message.subarray(WRAP_BYTES), "data", stream, offset, length);
    this.#stream.write(Buffer.from(message));
    return length;
  }

  settle(): void {
    // Frames are copied as a whole.
  }

  setPaused(paused: boolean): void {
    if (paused) this.#stream.pause();
    else this.#stream.resume();
  }

  release(): Fd {
    throw new AgentError(
      "failed-precondition",
      "forward: a gRPC stream has no connection of its own; use the port or socket of guestd.v1.Streams",
    );
  }

  destroy(): void {
    this.refuse(CODES.ok, "");
  }

  /** Closes with a status other than OK. */
  refuse(code: number, message: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#status = { code, message };
    // A client that doesn't read would keep what waits to be sent.
    if (this.isFull) this.#stream.close(constants.NGHTTP2_CANCEL);
    else this.#stream.end();
    this.#stream.resume();
    this.reader?.onClosed();
  }

  #take(chunk: Buffer): void {
    if (this.#isClosed) return;
    try {
      for (const bytes of this.#parser.push(chunk)) this.reader?.onBytes(bytes);
    } catch (error) {
      this.refuse(CODES["invalid-argument"], (error as Error).message);
    }
  }
}
