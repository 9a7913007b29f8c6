import type { Duplex } from "node:stream";
import { DecodeError } from "../../proto/codec.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import { FRAME_REQUEST, type Frame, FrameParser, type OversizeFrame } from "../../proto/ttrpc-frame.ts";
import { AgentError } from "../kernel/error.ts";
import type { Handler, ServiceTable } from "../service/dispatch.ts";
import { type RpcStatus, status, toStatus } from "../service/status.ts";
import {
  CLOSE_GRACE_MS,
  type Connection,
  type ConnectionOptions,
  MAX_CALLS,
  MAX_UNWRITTEN,
  type OpenCall,
} from "./connection.ts";
import { ServerCall } from "./server-call.ts";
import { okFrame, type ResponseFrame, statusFrame } from "./ttrpc-response.ts";

/** Longest delay of a timer, 24.8 days; callers who wait longer wait for ever. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What a request frame asks for, found to be in order. */
interface Admitted {
  readonly open: OpenCall;
  readonly handler: Handler;
  readonly metadata: ReadonlyMap<string, string>;
}

type WriteCallback = (error: Error | null | undefined) => void;

/** A call that has not been answered. */
interface Entry {
  readonly open: OpenCall;
  readonly call: ServerCall;
  readonly timer: NodeJS.Timeout | undefined;
}

/**
 * ttRPC on one accepted connection: unary calls, served at once and answered in any order. Owns the socket. When the
 * peer ends its side the connection counts as lost: calls are aborted, answers to them dropped.
 */
export class TtrpcConnection implements Connection {
  readonly protocol = "ttrpc";
  readonly peer: string;
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  readonly #table: ServiceTable;
  readonly #maxCalls: number;
  readonly #maxUnwritten: number;
  readonly #parser = new FrameParser();
  readonly #calls = new Map<number, Entry>();
  /** Handlers that have not returned, those of answered (timed out) calls included. */
  #running = 0;
  #corked = false;
  #closing = false;
  #idle: (() => void) | undefined;

  constructor(socket: Duplex, table: ServiceTable, peer: string, options: ConnectionOptions = {}) {
    this.#socket = socket;
    this.#table = table;
    this.peer = peer;
    this.#maxCalls = options.maxCalls ?? MAX_CALLS;
    this.#maxUnwritten = options.maxUnwritten ?? MAX_UNWRITTEN;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve(this.#lost())));
    socket.on("error", () => this.destroy());
    socket.on("end", () => this.destroy());
    socket.on("drain", () => socket.resume());
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.resume();
  }

  openCalls(): OpenCall[] {
    return Array.from(this.#calls.values(), ({ open }) => open);
  }

  async close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    this.#closing = true;
    const timer = setTimeout(() => this.destroy(), graceMs);
    if (this.#calls.size > 0) {
      await Promise.race([new Promise<void>((resolve) => (this.#idle = resolve)), this.closed]);
    }
    this.#socket.end(() => this.destroy());
    await this.closed;
    clearTimeout(timer);
  }

  destroy(): void {
    this.#lost();
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    for (const frame of this.#parser.push(chunk)) {
      if (this.#socket.destroyed) return;
      if (frame.type === FRAME_REQUEST) this.#request(frame);
    }
  }

  #request(frame: Frame | OversizeFrame): void {
    const admitted = this.#admit(frame);
    if ("code" in admitted) this.#write(statusFrame(frame.streamId, admitted));
    else this.#start(admitted);
  }

  /** The call a frame asks for, or why there will be none. The texts and codes are those of the Rust server. */
  #admit(frame: Frame | OversizeFrame): Admitted | RpcStatus {
    const { streamId } = frame;
    if (streamId % 2 === 0) return status("invalid-argument", `stream id ${streamId} must be odd`);
    if (frame.kind === "oversize") {
      return status("invalid-argument", `request of ${frame.length} bytes is over the limit of 4 MiB`);
    }
    if (this.#calls.has(streamId)) {
      return status("invalid-argument", `stream id ${streamId} is in use by an open call`);
    }
    const request = decodeRequest(frame.body);
    if (request instanceof DecodeError) return status("invalid-argument", request.message);

    const { service, method, payload } = request;
    const handler = this.#table.find(service, method);
    if (handler === "no-service") return status("invalid-argument", `${service} service does not exist`);
    if (handler === "no-method") return status("unimplemented", `/${service}/${method} is not implemented`);
    if (this.#closing) return status("unavailable", "the agent is shutting down");
    if (this.#running >= this.#maxCalls) {
      return status("resource-exhausted", `more than ${this.#maxCalls} calls at once on one connection`);
    }
    const timeoutMs = request.timeout_nano / 1e6;
    const deadline = timeoutMs > 0 ? { deadline: Date.now() + timeoutMs } : {};
    const metadata = new Map(request.metadata.map(({ key, value }) => [key, value]));
    return { open: { streamId, service, method, payload, ...deadline }, handler, metadata };
  }

  #start({ open, handler, metadata }: Admitted): void {
    const { streamId, service, method } = open;
    const call = new ServerCall({ service, method }, this.peer, metadata);
    const timeoutMs = open.deadline === undefined ? Number.POSITIVE_INFINITY : open.deadline - Date.now();
    const timer = timeoutMs > MAX_TIMER_MS ? undefined : setTimeout(() => this.#expire(entry), Math.ceil(timeoutMs));
    const entry: Entry = { open, call, timer };
    this.#calls.set(streamId, entry);
    this.#running++;
    run(handler, open.payload, call).then(
      (payload) => {
        this.#running--;
        this.#answer(entry, payload);
      },
      (error: unknown) => {
        this.#running--;
        this.#fail(entry, toStatus(error), error);
      },
    );
  }

  #answer(entry: Entry, payload: Uint8Array): void {
    const frame = okFrame(entry.open.streamId, payload);
    if (typeof frame === "number") {
      this.#fail(entry, status("invalid-argument", `response of ${frame} bytes is over the limit of 4 MiB`));
    } else if (this.#remove(entry)) {
      entry.call.report(0);
      this.#write(frame, (error) => entry.call.settle(error === null || error === undefined));
    } else {
      entry.call.settle(false);
    }
  }

  /** Answers with an error; what the handler may have answered is lost. */
  #fail(entry: Entry, answer: RpcStatus, error?: unknown): void {
    if (this.#remove(entry)) {
      entry.call.report(answer.code, error);
      this.#write(statusFrame(entry.open.streamId, answer));
    }
    entry.call.settle(false);
  }

  #expire(entry: Entry): void {
    const { service, method } = entry.open;
    const error = new AgentError("deadline-exceeded", `/${service}/${method} took longer than its caller waits`);
    this.#fail(entry, toStatus(error));
    entry.call.abort(error);
  }

  /** False when the call was answered before. */
  #remove(entry: Entry): boolean {
    if (this.#calls.get(entry.open.streamId) !== entry) return false;
    this.#calls.delete(entry.open.streamId);
    clearTimeout(entry.timer);
    if (this.#calls.size === 0) this.#idle?.();
    return true;
  }

  /** The only place that writes. Frames of one turn of the event loop leave together. */
  #write(frame: ResponseFrame, done: WriteCallback = () => {}): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    // On a destroyed socket the callback gets the error.
    for (const chunk of frame.slice(0, -1)) this.#socket.write(chunk);
    this.#socket.write(frame.at(-1) ?? "", done);
    if (this.#socket.writableLength > this.#maxUnwritten) this.#socket.pause();
  }

  #lost(): void {
    const entries = [...this.#calls.values()];
    this.#calls.clear();
    this.#idle?.();
    const reason = new AgentError("canceled", `connection of ${this.peer} is closed`);
    for (const { call, timer } of entries) {
      clearTimeout(timer);
      call.report(undefined);
      call.settle(false);
      call.abort(reason);
    }
  }
}

/** A handler that throws at once is a handler that rejects. */
async function run(handler: Handler, payload: Uint8Array, call: ServerCall): Promise<Uint8Array> {
  return handler(payload, call);
}

function decodeRequest(body: Buffer): ttrpc.Request | DecodeError {
  try {
    return ttrpc.Request.decode(body);
  } catch (error) {
    return new DecodeError(`decode ttrpc.Request of ${body.length} bytes: ${(error as Error).message}`);
  }
}
