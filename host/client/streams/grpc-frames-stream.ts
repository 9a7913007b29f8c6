import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { Duplex } from "node:stream";
import { keepSession } from "../../../lib/kept-session.ts";
import { ATTACH_PATH, GrpcFramesParser, wrapFrames } from "../../../proto/grpc-frames.ts";

/** Bytes that the agent may send before they are read: the largest window of an output. */
const WINDOW_BYTES = 262_144;

type Done = (error?: Error | null) => void;

/** Opens a gRPC stream for frames over a connection, which it then owns. */
export function openGrpcFrames(connection: Duplex): Duplex {
  const session = connect("http://agent", {
    createConnection: () => connection,
    settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
  });
  session.once("connect", () => session.setLocalWindowSize(4 * WINDOW_BYTES));
  return new GrpcFrames(session);
}

/** The bytes of frames that a gRPC stream carries. */
class GrpcFrames extends Duplex {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;

  constructor(session: ClientHttp2Session) {
    super();
    this.#session = session;
    const stream = session.request({
      ":method": "POST",
      ":path": ATTACH_PATH,
      "content-type": "application/grpc+proto",
      te: "trailers",
    });
    this.#stream = stream;
    keepSession(stream);
    session.on("error", (error) => this.destroy(error));
    session.once("close", () => this.destroy());
    stream.on("error", (error) => this.destroy(error));
    stream.once("response", (headers) => this.#onStatus(headers));
    stream.once("trailers", (headers) => this.#onStatus(headers));
    const parser = new GrpcFramesParser();
    stream.on("data", (chunk: Buffer) => {
      try {
        for (const bytes of parser.push(chunk)) if (!this.push(bytes)) stream.pause();
      } catch (error) {
        this.destroy(error as Error);
      }
    });
    stream.once("end", () => this.push(null));
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    this.#stream.write(wrapFrames(chunk), done);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: Done): void {
    this.#stream.write(wrapFrames(Buffer.concat(chunks.map(({ chunk }) => chunk))), done);
  }

  override _final(done: Done): void {
    this.#stream.end(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#session.destroy();
    done(error);
  }

  #onStatus(headers: Readonly<Record<string, unknown>>): void {
    const status = headers["grpc-status"];
    if (status === undefined || status === "0") return;
    this.destroy(
      new Error(`grpc status ${String(status)}: ${decodeURIComponent(String(headers["grpc-message"] ?? ""))}`),
    );
  }
}
