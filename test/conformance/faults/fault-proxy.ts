import { setTimeout as sleep } from "node:timers/promises";
import { framePassage, type Lanes, type PassingFrame } from "../../../host/conversation/relay/frame-passage.ts";
import { passageByProtocol, plainPassage } from "../../../host/conversation/relay/passage-by-protocol.ts";
import { type RelayedConnection, startRelay } from "../../../host/conversation/relay/relay.ts";
import { responseFrame } from "../../../host/conversation/relay/response-frame.ts";
import { ttrpc } from "../../../proto/gen/messages.js";
import { encodeHeader, FRAME_REQUEST, FRAME_RESPONSE, HEADER_BYTES } from "../../../proto/ttrpc-frame.ts";
import type { Fault, FaultHooks, Reply } from "./fault.ts";

/** A correct agent with one defect, at a unix socket. */
export interface FaultProxy extends AsyncDisposable {
  readonly address: string;
  /** Number of times that the defect changed something. */
  readonly changes: number;
}

/** Starts a proxy at `listen` that gives the agent at `to` a fault. gRPC passes unchanged. */
export async function startFaultProxy(listen: string, to: string, fault: Fault): Promise<FaultProxy> {
  const hooks = fault.begin();
  const ended = Promise.withResolvers<void>();
  let changes = 0;
  const count = () => {
    changes += 1;
  };
  const relay = await startRelay({
    listen,
    to,
    onError: () => undefined,
    open(connection) {
      if (hooks.accepts?.(connection.id) === false) {
        count();
        connection.close("response");
      }
      const faulty = new FaultConnection(hooks, count, ended.promise);
      return passageByProtocol((protocol) =>
        protocol === "grpc" ? plainPassage(connection) : faulty.passage(connection),
      );
    },
  });
  return {
    address: relay.address,
    get changes() {
      return changes;
    },
    [Symbol.asyncDispose]() {
      ended.resolve();
      return relay[Symbol.asyncDispose]();
    },
  };
}

class FaultConnection {
  readonly #hooks: FaultHooks;
  readonly #count: () => void;
  /** Resolves when the proxy ends. */
  readonly #ended: Promise<void>;
  /** Encoded requests of open calls that the fault is about, by stream. */
  readonly #open = new Map<number, Uint8Array>();
  #served = Promise.withResolvers<void>();

  constructor(hooks: FaultHooks, count: () => void, ended: Promise<void>) {
    this.#hooks = hooks;
    this.#count = count;
    this.#ended = ended;
  }

  passage(connection: RelayedConnection) {
    return framePassage(connection, {
      onFrame: (frame, lanes) =>
        frame.direction === "request" ? this.#request(frame, lanes) : this.#response(frame, lanes),
    });
  }

  async #request(frame: PassingFrame, lanes: Lanes): Promise<void> {
    const { call, answer, request, timeout, requestFrames, serial } = this.#hooks;
    const { method, stream, bytes } = frame;
    if (method === "" || (call !== undefined && call !== method)) return lanes.request.frame(bytes);
    const envelope = ttrpc.Request.decode(bytes.subarray(HEADER_BYTES));
    const answered = answer?.(envelope.payload, envelope);
    if (answered !== undefined) {
      this.#count();
      return this.#send(frame, responseFrame(stream, answered), lanes);
    }
    this.#open.set(stream, envelope.payload);
    const payload = request?.(envelope.payload) ?? envelope.payload;
    const timeout_nano = timeout?.(envelope.timeout_nano) ?? envelope.timeout_nano;
    const isChanged = timeout_nano !== envelope.timeout_nano || !Buffer.from(payload).equals(envelope.payload);
    const sent = isChanged ? requestFrame(stream, { ...envelope, payload, timeout_nano }) : bytes;
    const frames = requestFrames?.(sent) ?? [sent];
    if (isChanged || frames.length !== 1) this.#count();
    this.#served = Promise.withResolvers();
    const served = this.#served.promise;
    for (const one of frames) await lanes.request.frame(one);
    if (serial === true) {
      this.#count();
      await Promise.race([served, this.#ended]);
    }
  }

  async #response(frame: PassingFrame, lanes: Lanes): Promise<void> {
    const { stream, bytes } = frame;
    const request = this.#open.get(stream);
    this.#open.delete(stream);
    if (this.#open.size === 0) this.#served.resolve();
    if (request === undefined) return lanes.response.frame(bytes);
    const reply = replyOf(bytes);
    const changed = this.#hooks.reply?.(reply, request) ?? reply;
    if (changed === reply || isSame(reply, changed)) return this.#send(frame, bytes, lanes);
    this.#count();
    return this.#send(frame, responseFrame(stream, changed), lanes);
  }

  /** Sends a response, with the faults of its frame. */
  async #send({ method }: PassingFrame, response: Buffer, lanes: Lanes): Promise<void> {
    const { delayMs, responseFrames } = this.#hooks;
    if (delayMs !== undefined) {
      this.#count();
      await sleep(delayMs);
    }
    if (responseFrames === undefined || method === "") return lanes.response.frame(response);
    this.#count();
    for (const frame of responseFrames(response)) {
      if (frame === "close") return lanes.close("response");
      await lanes.response.frame(frame);
    }
  }
}

function requestFrame(streamId: number, envelope: ttrpc.Request): Buffer {
  const body = ttrpc.Request.encode(envelope).finish();
  return Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_REQUEST, flags: 0 }), body]);
}

function replyOf(bytes: Buffer): Reply {
  if (bytes.readUInt8(8) !== FRAME_RESPONSE) return { payload: bytes };
  const { status, payload } = ttrpc.Response.decode(bytes.subarray(HEADER_BYTES));
  return status === null || status.code === 0 ? { payload } : { code: status.code, text: status.message };
}

function isSame(one: Reply, other: Reply): boolean {
  if ("payload" in one && "payload" in other) return Buffer.from(one.payload).equals(other.payload);
  return "code" in one && "code" in other && one.code === other.code && one.text === other.text;
}
