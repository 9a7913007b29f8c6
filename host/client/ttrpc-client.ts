import type { Duplex } from "node:stream";
import { ttrpc } from "../../proto/gen/messages.js";
import {
  encodeHeader,
  FRAME_REQUEST,
  FRAME_RESPONSE,
  type Frame,
  FrameParser,
  MAX_BODY_BYTES,
  type OversizeFrame,
} from "../../proto/ttrpc-frame.ts";
import { bounded, type CallOptions, type RpcChannel } from "./rpc-channel.ts";
import { answeredError, RpcError } from "./rpc-error.ts";

const MAX_STREAM_ID = 0x7fffffff;

/** Maximum number of request bytes that the agent has not read yet. */
const MAX_UNREAD = 16 * MAX_BODY_BYTES;

interface Pending {
  readonly what: string;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: RpcError) => void;
}

/** ttRPC over a connected stream, which it owns. */
export class TtrpcClient implements RpcChannel {
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  /** Reports an answer that is too long at its header, since its end may never come. */
  readonly #parser = new FrameParser(undefined, true);
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #corked = false;
  /** The reason why no more calls can be made. */
  #ended: RpcError | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.closed = new Promise((resolve) =>
      stream.once("close", () => {
        this.#end(new RpcError("unavailable", "ttrpc: closed by the agent"));
        resolve();
      }),
    );
    stream.on("error", (error) => this.#end(new RpcError("unavailable", `ttrpc: ${error.message}`, { cause: error })));
    stream.on("end", () => stream.destroy());
    stream.on("data", (chunk: Buffer) => {
      for (const frame of this.#parser.push(chunk)) this.#receive(frame);
    });
    stream.resume();
  }

  call(service: string, method: string, payload: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const what = `/${service}/${method}`;
    const body = ttrpc.Request.encode({
      service,
      method,
      payload,
      timeout_nano: Math.ceil((options.timeoutMs ?? 0) * 1e6),
      metadata: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
    }).finish(true);
    return bounded<Uint8Array>(what, options, (resolve, reject) => {
      const streamId = this.#nextId;
      const refusal = this.#ended ?? this.#refusal(what, body.length);
      if (refusal !== undefined) {
        reject(refusal);
      } else {
        this.#nextId += 2;
        this.#pending.set(streamId, { what, resolve, reject });
        this.#send(streamId, body);
      }
      return { stop: () => this.#pending.delete(streamId) };
    });
  }

  async close(): Promise<void> {
    this.#end(new RpcError("unavailable", "ttrpc: closed"));
    this.#stream.destroy();
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refusal(what: string, length: number): RpcError | undefined {
    if (length > MAX_BODY_BYTES) {
      return new RpcError("resource-exhausted", `${what}: request of ${length} bytes is over the limit of 4 MiB`);
    }
    if (this.#stream.writableLength > MAX_UNREAD) {
      return new RpcError("unavailable", `${what}: the agent does not read its requests; close this connection`);
    }
    return this.#nextId > MAX_STREAM_ID
      ? new RpcError("unavailable", `${what}: this connection has used up its stream ids; open a new one`)
      : undefined;
  }

  #send(streamId: number, body: Uint8Array): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#stream.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#stream.uncork();
      });
    }
    this.#stream.write(encodeHeader(body.length, { streamId, type: FRAME_REQUEST, flags: 0 }));
    this.#stream.write(body);
  }

  /** Drops answers to calls that have already ended. */
  #receive(frame: Frame | OversizeFrame): void {
    const pending = this.#pending.get(frame.streamId);
    if (pending === undefined || frame.type !== FRAME_RESPONSE) return;
    this.#pending.delete(frame.streamId);
    const answer = decodeResponse(frame, pending.what);
    if (answer instanceof RpcError) pending.reject(answer);
    else pending.resolve(answer);
  }

  #end(reason: RpcError): void {
    this.#ended ??= reason;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(this.#ended);
  }
}

function decodeResponse(frame: Frame | OversizeFrame, what: string): Uint8Array | RpcError {
  if (frame.kind === "oversize") {
    return new RpcError("resource-exhausted", `${what}: response of ${frame.length} bytes is over the limit of 4 MiB`);
  }
  try {
    const { status, payload } = ttrpc.Response.decode(frame.body);
    return status === null || status.code === 0 ? payload : answeredError(status.code, status.message);
  } catch (error) {
    return new RpcError("internal", `undecodable response: ${(error as Error).message}`, { cause: error });
  }
}
