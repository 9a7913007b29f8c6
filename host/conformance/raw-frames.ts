import { once } from "node:events";
import type { Duplex } from "node:stream";
import type { Init } from "../../proto/codec.ts";
import { codeName } from "../../proto/codes.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FRAME_REQUEST, HEADER_BYTES } from "../../proto/ttrpc-frame.ts";
import type { CaseContext } from "./case-context.ts";
import { equal } from "./check.ts";
import { CaseFailure } from "./outcome.ts";

const LIMIT_MS = 20_000;

export interface RawAnswer {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  readonly code: string;
  readonly text: string;
  readonly payload: Buffer;
}

/** Returns a frame. `length` is the length that its header claims. */
export function frame(streamId: number, body: Uint8Array, { type = FRAME_REQUEST, length = body.length } = {}): Buffer {
  return Buffer.concat([encodeHeader(length, { streamId, type, flags: 0 }), body]);
}

/** Returns the body of a request. */
export function requestBody(
  service: string,
  method: string,
  payload: Uint8Array = new Uint8Array(),
  parts: Init<ttrpc.Request> = {},
): Uint8Array {
  return ttrpc.Request.encode({ service, method, payload, ...parts }).finish();
}

/** Returns a request frame for a health check. */
export function checkFrame(streamId: number): Buffer {
  return frame(streamId, requestBody("grpc.Health", "Check"));
}

/** Reads responses from a connection that nothing else reads. */
export class RawAnswers {
  readonly #socket: Duplex;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Reads the next response. Fails the case if the connection ends first. */
  async next(): Promise<RawAnswer> {
    while (this.#bytes.length < HEADER_BYTES || this.#bytes.length < HEADER_BYTES + this.#bytes.readUInt32BE(0)) {
      this.#bytes = Buffer.concat([this.#bytes, await this.#chunk()]);
    }
    const end = HEADER_BYTES + this.#bytes.readUInt32BE(0);
    const [header, body] = [this.#bytes.subarray(0, HEADER_BYTES), this.#bytes.subarray(HEADER_BYTES, end)];
    this.#bytes = this.#bytes.subarray(end);
    const { status, payload } = ttrpc.Response.decode(body);
    return {
      streamId: header.readUInt32BE(4),
      type: header.readUInt8(8),
      flags: header.readUInt8(9),
      code: codeName(status?.code ?? 0),
      text: status?.message ?? "",
      payload: Buffer.from(payload),
    };
  }

  async #chunk(): Promise<Buffer> {
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk !== null) return chunk;
    if (this.#socket.readableEnded || this.#socket.destroyed) throw new CaseFailure("the agent closed the connection");
    const done = new AbortController();
    const signal = AbortSignal.any([AbortSignal.timeout(LIMIT_MS), done.signal]);
    const events = ["readable", "close"].map((event) => once(this.#socket, event, { signal }));
    for (const event of events) event.catch(() => undefined);
    try {
      await Promise.race(events);
    } catch {
      throw new CaseFailure(`no answer within ${LIMIT_MS / 1000} s on a connection`);
    } finally {
      done.abort();
    }
    return Buffer.alloc(0);
  }
}

/** Sends bytes, then expects a health check on the same connection to be answered. Returns the first answer. */
export async function exchange(context: CaseContext, bytes: Uint8Array): Promise<RawAnswer> {
  const socket = await context.dial();
  const answers = new RawAnswers(socket);
  socket.write(bytes);
  const first = await answers.next();
  socket.write(checkFrame(99));
  const next = await answers.next();
  equal([next.streamId, next.code], [99, "ok"], "the answer to the next call of the connection");
  return first;
}
