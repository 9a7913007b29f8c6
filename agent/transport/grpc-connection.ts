import type { ServerHttp2Stream } from "node:http2";
import {
  logVerbosity,
  type Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type sendUnaryData,
  setLogVerbosity,
} from "@grpc/grpc-js";
import { CODES } from "../../proto/codes.ts";
import { ATTACH_PATH } from "../../proto/grpc-frames.ts";
import { MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { activity } from "../kernel/activity.ts";
import { AgentError } from "../kernel/error.ts";
import { monotonicMs } from "../kernel/monotonic-ms.ts";
import { ANSWER_ROOM, type Handler, type ServiceTable } from "../service/dispatch.ts";
import { status, toStatus } from "../service/status.ts";
import { GrpcCarrier } from "./attachment/grpc-carrier.ts";
import type { BodyRoom } from "./body-room.ts";
import { callQueue } from "./call-queue.ts";
import {
  CLOSE_GRACE_MS,
  type Connection,
  type ConnectionOptions,
  MAX_CALLS,
  MAX_UNWRITTEN,
  type OpenCall,
} from "./connection.ts";
import { guardStreams } from "./grpc-guard.ts";
import { GrpcRequest, PREFIX_BYTES } from "./grpc-request.ts";
import { grpcServices, type Serve, type UnaryCall } from "./grpc-services.ts";
import { GrpcStreams } from "./grpc-streams.ts";
import { QUIET_MS } from "./quiet-watch.ts";
import { SentData } from "./sent-data.ts";
import { ServerCall } from "./server-call.ts";
import type { WireStream } from "./wire-stream.ts";

// grpc-js prints every header that it refuses, with the value.
setLogVerbosity(logVerbosity.NONE);

/** Copies of every byte read: the stream's, and that of Node's HTTP/2. */
const READ_COPIES = 2;

/** A received call that isn't served yet. */
interface Received {
  /** Id of its HTTP/2 stream. */
  readonly stream: number;
  readonly request: GrpcRequest;
}

/** An answer that isn't sent completely. */
interface Unsent {
  readonly call: ServerCall;
  /** Bytes that the kernel hasn't accepted yet. */
  left: number;
}

/**
 * gRPC on one accepted connection, with the same handlers as ttRPC. Only this file of the agent loads grpc-js; import it when
 * the first gRPC connection arrives. grpc-js enforces the deadlines.
 */
export class GrpcConnection implements Connection {
  readonly protocol = "grpc";
  readonly peer: string;
  readonly closed: Promise<void>;
  readonly #socket: WireStream;
  readonly #server: Server;
  readonly #maxCalls: number;
  readonly #maxUnwritten: number;
  readonly #quietMs: number;
  readonly #room: BodyRoom;
  readonly #injector: ReturnType<Server["createConnectionInjector"]>;
  readonly #calls = new Map<ServerCall, OpenCall>();
  /** Unsent answers by HTTP/2 stream. Node's HTTP/2 reports answers cut off by a broken connection as written. */
  readonly #unsent = new Map<number, Unsent>();
  #unsentBytes = 0;
  /** Functions that start the queued calls. They also wait until the peer takes its answers. */
  readonly #pending: (() => void)[] = [];
  #scheduled = false;
  /** Received calls by the metadata object that both interceptor and handler get. */
  readonly #received = new WeakMap<Metadata, Received>();
  #running = 0;
  #nextId = 1;

  constructor(socket: WireStream, table: ServiceTable, peer: string, room: BodyRoom, options: ConnectionOptions = {}) {
    this.#socket = socket;
    this.#room = room;
    this.peer = peer;
    this.#maxCalls = options.maxCalls ?? MAX_CALLS;
    this.#maxUnwritten = options.maxUnwritten ?? MAX_UNWRITTEN;
    this.#quietMs = options.quietMs ?? QUIET_MS;
    this.#server = new Server({
      "grpc.enable_channelz": 0,
      "grpc.max_receive_message_length": MAX_BODY_BYTES,
      "grpc.max_send_message_length": MAX_BODY_BYTES,
      // Twice as many, for calls without a request yet and for those that are refused below.
      "grpc.max_concurrent_streams": 2 * this.#maxCalls,
      interceptors: [(_method, call) => this.#intercept(call)],
    });
    const serve: Serve = (...call) => this.#serve(...call);
    for (const { definitions, handlers } of grpcServices(table, serve)) this.#server.addService(definitions, handlers);
    const { attachments, grpcStreams = new GrpcStreams() } = options;
    guardStreams(this.#server, (stream, path) => {
      grpcStreams.add(this, stream);
      if (stream.destroyed) return true; // this connection had the most streams
      if (path !== ATTACH_PATH || attachments === undefined) return false;
      void serveAttachment(stream, attachments);
      return true;
    });
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.closed = new Promise((resolve) => socket.once("close", () => resolve(this.#ended())));
    socket.on("error", () => this.destroy());
    const sent = new SentData((stream, count) => this.#sent(stream, count));
    socket.onReceived = (bytes) => room.dropped(READ_COPIES * bytes);
    socket.onSent = (bytes) => sent.take(bytes);
    this.#injector.injectConnection(socket);
  }

  openCalls(): OpenCall[] {
    return [...this.#calls.values()];
  }

  async close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    this.#injector.drain(graceMs);
    await this.closed;
  }

  destroy(): void {
    this.#lost();
    this.#injector.destroy();
    this.#socket.destroy();
  }

  #serve(
    handler: Handler,
    service: string,
    method: string,
    unary: UnaryCall,
    respond: sendUnaryData<Uint8Array>,
  ): void {
    const received = this.#received.get(unary.metadata);
    if (received === undefined)
      throw new AgentError("internal", "gRPC: grpc-js started a call whose request was never received");
    const held = received.request.serve();
    if (this.#running >= this.#maxCalls) {
      this.#room.give(held);
      const { code, message } = status(
        "resource-exhausted",
        `more than ${this.#maxCalls} calls at once on one connection`,
      );
      respond({ code, details: message });
      return;
    }
    const call = new ServerCall({ service, method }, this.peer, metadataMap(unary.metadata));
    const until = unary.getDeadline();
    const deadline = until === Number.POSITIVE_INFINITY ? {} : { deadline: Number(until) - Date.now() + monotonicMs() };
    this.#calls.set(call, { streamId: this.#nextId++, service, method, payload: unary.request, ...deadline });
    // Also emitted at the end of a successful call, where it has no effect.
    unary.on("cancelled", () => this.#drop(call));
    this.#running++;
    const send = (answer: Uint8Array) => {
      const unsent = { call, left: PREFIX_BYTES + answer.length };
      this.#unsent.set(received.stream, unsent);
      this.#unsentBytes += unsent.left;
      call.onSettled(() => {
        this.#unsent.delete(received.stream);
        this.#unsentBytes -= unsent.left;
        this.#beginNext();
      });
      respond(null, answer);
    };
    this.#pending.push(() => {
      const gone = !this.#calls.has(call);
      const done = gone ? Promise.resolve() : this.#run(handler, unary.request, call, send, respond);
      done.finally(() => {
        this.#running--;
        this.#room.give(held);
      });
    });
    this.#beginNext();
  }

  #beginNext(): void {
    if (this.#scheduled || this.#pending.length === 0 || this.#unsentBytes > this.#maxUnwritten) return;
    this.#scheduled = true;
    callQueue.run(() => {
      this.#scheduled = false;
      this.#pending.shift()?.();
      this.#beginNext();
    });
  }

  async #run(
    handler: Handler,
    payload: Uint8Array,
    call: ServerCall,
    send: (answer: Uint8Array) => void,
    respond: sendUnaryData<Uint8Array>,
  ): Promise<void> {
    try {
      const answer = (await handler(payload, call)).subarray(ANSWER_ROOM);
      await callQueue.next();
      if (!this.#calls.delete(call)) return;
      if (answer.length > MAX_BODY_BYTES) {
        throw new AgentError("invalid-argument", `response of ${answer.length} bytes is over the limit of 4 MiB`);
      }
      call.report(0);
      send(answer);
    } catch (error) {
      await callQueue.next();
      const { code, message } = toStatus(error);
      if (this.#calls.delete(call)) call.report(code, error);
      call.settle(false);
      respond({ code, details: message });
    }
  }

  /** Aborts a call whose caller is gone or whose deadline has passed. */
  #drop(call: ServerCall): void {
    if (this.#calls.delete(call)) call.report(undefined);
    call.settle(false);
    call.abort(
      new AgentError(
        "canceled",
        `/${call.target.service}/${call.target.method} was cancelled or exceeded its deadline`,
      ),
    );
  }

  /** Requests that never became calls were held too. */
  #ended(): void {
    this.#lost();
    activity.publish({});
  }

  #lost(): void {
    for (const call of [...this.#calls.keys()]) this.#drop(call);
    for (const { call } of [...this.#unsent.values()]) call.settle(false);
  }

  #sent(stream: number, count: number): void {
    const unsent = this.#unsent.get(stream);
    if (unsent === undefined) return;
    unsent.left -= count;
    this.#unsentBytes -= count;
    if (unsent.left <= 0) unsent.call.settle(true);
  }

  /** Reads the request before grpc-js does; its stream is a private property. */
  #intercept(next: ServerInterceptingCallInterface): ServerInterceptingCall {
    const { stream } = next as { readonly stream?: ServerHttp2Stream };
    if (stream?.id === undefined)
      throw new AgentError("internal", "gRPC: this grpc-js doesn't expose the stream of a call");
    const id = stream.id;
    const request = new GrpcRequest(stream, this.#room, this.#quietMs, ({ code, message }) =>
      next.sendStatus({ code, details: message }),
    );
    return new ServerInterceptingCall(next, {
      start: (start) =>
        start({
          onReceiveMetadata: (metadata, go) => {
            if (!request.begin(bytesOf(metadata))) return;
            this.#received.set(metadata, { stream: id, request });
            go(metadata);
          },
          onReceiveMessage: (message: Buffer, go) => {
            request.decoded(message.length);
            go(message);
          },
          onReceiveHalfClose: (go) => {
            if (!request.refused) go();
          },
          onCancel: () => request.drop(),
        }),
    });
  }
}

/** Serves guestd.v1.Streams on a stream, which isn't read before that is loaded. */
async function serveAttachment(
  stream: ServerHttp2Stream,
  load: NonNullable<ConnectionOptions["attachments"]>,
): Promise<void> {
  stream.on("error", () => undefined); // "close" follows
  const attachments = await load().catch(() => undefined);
  if (stream.destroyed) return;
  const carrier = new GrpcCarrier(stream);
  const refusal = attachments === undefined ? "the agent can't load guestd.v1.Streams" : attachments.serve(carrier);
  if (refusal !== undefined) carrier.refuse(CODES["resource-exhausted"], refusal);
}

function metadataMap(metadata: Metadata): Map<string, string> {
  const entries = Object.entries(metadata.getMap());
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

const bytesOf = (metadata: Metadata): number =>
  Object.entries(metadata.toHttp2Headers()).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
