import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { Duplex } from "node:stream";
import { keepSession } from "../../lib/kept-session.ts";
import { CODES } from "../../proto/codes.ts";
import { MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { bounded, type CallOptions, type RpcChannel } from "./rpc-channel.ts";
import { answeredError, RpcError } from "./rpc-error.ts";

/** Size of the compression flag and length before each message. */
const PREFIX_BYTES = 5;

/** Largest value of a grpc-timeout header. */
const MAX_TIMEOUT_DIGITS = 99_999_999;

/**
 * Maximum number of open calls, equal to the agent's limit. Node's HTTP/2 stalls when ten thousand streams open in one
 * turn.
 */
const MAX_OPEN_CALLS = 4096;

type Headers = Readonly<Record<string, string | readonly string[] | number | undefined>>;

/**
 * Unary gRPC over a connected stream, which it owns. Uses Node's HTTP/2, since grpc-js can only dial its own kinds of
 * addresses. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class GrpcClient implements RpcChannel {
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  readonly #session: ClientHttp2Session;
  #closing = false;
  #open = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#session = connect("http://agent", {
      createConnection: () => stream,
      settings: { initialWindowSize: MAX_BODY_BYTES, enablePush: false },
    });
    this.#session.once("connect", () => {
      // A client that was closed at once also emits the event.
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(4 * MAX_BODY_BYTES);
    });
    this.#session.on("error", () => {});
    this.closed = new Promise((resolve) => this.#session.once("close", resolve));
  }

  call(service: string, method: string, payload: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const path = `/${service}/${method}`;
    return bounded<Uint8Array>(path, options, (resolve, reject) => {
      const refusal = this.#refusal(path);
      if (refusal !== undefined) {
        reject(refusal);
        return { stop: () => {} };
      }
      const stream = this.#session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        ...(options.timeoutMs === undefined ? {} : { "grpc-timeout": timeoutHeader(options.timeoutMs) }),
        ...options.metadata,
      });
      keepSession(stream);
      this.#open++;
      stream.once("close", () => this.#open--);
      receive(stream).then(resolve, (error: RpcError) =>
        reject(this.#closing ? new RpcError("unavailable", "grpc: closed") : error),
      );
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(payload.length, 1);
      stream.end(Buffer.concat([prefix, payload]));
      return { stop: () => stream.close(constants.NGHTTP2_CANCEL) };
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#session.destroy();
    // After a GOAWAY, the session would wait for the agent to close the connection.
    this.#stream.destroy();
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refusal(path: string): RpcError | undefined {
    if (this.#session.closed || this.#session.destroyed) return new RpcError("unavailable", "grpc: closed");
    if (this.#open < MAX_OPEN_CALLS) return undefined;
    return new RpcError("resource-exhausted", `${path}: more than ${MAX_OPEN_CALLS} calls at once on one connection`);
  }
}

/** Formats milliseconds, or seconds if those would have too many digits. */
function timeoutHeader(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms));
  return whole <= MAX_TIMEOUT_DIGITS ? `${whole}m` : `${Math.min(Math.ceil(ms / 1000), MAX_TIMEOUT_DIGITS)}S`;
}

/** Receives the single message of an answer. Rejects with RpcError. */
function receive(stream: ClientHttp2Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let answer: RpcError | "ok" | undefined;
    let problem = "the connection was lost";
    // An answer without a message has its status in the headers.
    stream.on("response", (headers) => (answer = statusOf(headers) ?? answer));
    stream.on("trailers", (headers) => (answer = statusOf(headers) ?? answer));
    stream.on("error", (error) => (problem = error.message));
    stream.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES + PREFIX_BYTES) chunks.push(chunk);
      else {
        reject(new RpcError("resource-exhausted", "grpc: the response is over the limit of 4 MiB"));
        stream.close(constants.NGHTTP2_CANCEL);
      }
    });
    stream.once("close", () => {
      if (answer === undefined) reject(new RpcError("unavailable", `grpc: ${problem}`));
      else if (answer !== "ok") reject(answer);
      else settleMessage(Buffer.concat(chunks), resolve, reject);
    });
  });
}

function settleMessage(bytes: Buffer, resolve: (message: Uint8Array) => void, reject: (error: RpcError) => void): void {
  if (bytes.length < PREFIX_BYTES || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - PREFIX_BYTES) {
    reject(new RpcError("internal", `grpc: ${bytes.length} bytes are not one uncompressed message`));
    return;
  }
  resolve(bytes.subarray(PREFIX_BYTES));
}

function statusOf(headers: Headers): RpcError | "ok" | undefined {
  const http = headers[":status"];
  const code = headers["grpc-status"];
  if (http !== undefined && http !== 200) return new RpcError("unavailable", `grpc: HTTP status ${String(http)}`);
  if (code === undefined) return undefined;
  return Number(code) === CODES.ok
    ? "ok"
    : answeredError(Number(code), percentDecode(String(headers["grpc-message"] ?? "")));
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
