import { CollectedBytes } from "../../../../lib/collected-bytes.ts";
import type { Direction } from "../../format/conversation.ts";
import type { CallEntries } from "../call-entries.ts";
import type { WireReader } from "../ttrpc-entries.ts";
import { type HeaderField, HpackDecoder, sizeOf } from "./hpack-decoder.ts";
import { type Http2Frame, Http2Frames } from "./http2-frames.ts";

const PREFACE_BYTES = 24;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;
const PRIORITY = 0x20;

/** Size of the compression flag and length before a message. */
const PREFIX_BYTES = 5;
/** Longest message, and most bytes of unfinished messages of a direction. More are dropped. */
const MAX_MESSAGE_BYTES = PREFIX_BYTES + (4 << 20);
const MAX_HELD_BYTES = 16 << 20;
const MAX_BLOCK_BYTES = 1 << 17;
const MAX_STREAMS = 1 << 13;
/** Most bytes of the headers of unfinished messages of a direction, as HPACK counts them. */
const MAX_HEADER_BYTES = 16 << 20;

/** Headers of HTTP and gRPC that are no metadata. */
const PROTOCOL_HEADERS = /^:|^(content-(type|length)|te|user-agent|grpc-.*|accept-encoding)$/;

/** One direction of a call. */
interface Message {
  readonly headers: HeaderField[];
  headerBytes: number;
  readonly body: CollectedBytes;
  /** Bytes of the body, kept or not. */
  length: number;
}

/** Headers in one or several frames. */
interface HeaderBlock {
  readonly stream: number;
  /** True if nothing follows it on its stream. */
  readonly ends: boolean;
  readonly bytes: CollectedBytes;
}

/** Records the calls of a gRPC connection. A direction that breaks the rules of HTTP/2 isn't recorded further. */
export function grpcEntries(entries: CallEntries): WireReader {
  const sides = { request: new GrpcDirection("request", entries), response: new GrpcDirection("response", entries) };
  return {
    push: (direction, chunk) => sides[direction].push(chunk),
    end: () => undefined,
  };
}

class GrpcDirection {
  readonly #direction: Direction;
  readonly #entries: CallEntries;
  readonly #frames: Http2Frames;
  readonly #hpack = new HpackDecoder();
  readonly #streams = new Map<number, Message>();
  /** A header block that continues in the next frame. */
  #block: HeaderBlock | undefined;
  #heldBytes = 0;
  #headerBytes = 0;
  #isLost = false;

  constructor(direction: Direction, entries: CallEntries) {
    this.#direction = direction;
    this.#entries = entries;
    this.#frames = new Http2Frames(direction === "request" ? PREFACE_BYTES : 0);
  }

  push(chunk: Buffer): void {
    if (this.#isLost) return;
    try {
      for (const frame of this.#frames.push(chunk)) this.#frame(frame);
    } catch (error) {
      this.#isLost = true;
      this.#streams.clear();
      this.#entries.lost(this.#direction, `not recorded from here on: ${(error as Error).message}`, chunk.length);
    }
  }

  #frame(frame: Http2Frame): void {
    const { type, flags, stream } = frame;
    const ends = (flags & END_STREAM) !== 0;
    if (type === DATA) this.#data(stream, withoutPadding(frame), ends);
    else if (type === HEADERS)
      this.#headers({ stream, ends, bytes: new CollectedBytes() }, withoutPadding(frame), flags);
    else if (type === CONTINUATION && this.#block?.stream === stream) this.#headers(this.#block, frame.payload, flags);
    else if (type === RST_STREAM) this.#reset(frame);
  }

  #headers(block: HeaderBlock, piece: Buffer, flags: number): void {
    block.bytes.add(piece);
    if (block.bytes.length > MAX_BLOCK_BYTES) throw new RangeError("headers of over 128 KiB");
    this.#block = (flags & END_HEADERS) === 0 ? block : undefined;
    if (this.#block !== undefined) return;
    const message = this.#messageOf(block.stream);
    const fields = this.#hpack.decode(block.bytes.take());
    const bytes = fields.reduce((sum, field) => sum + sizeOf(field), 0);
    message.headers.push(...fields);
    message.headerBytes += bytes;
    this.#headerBytes += bytes;
    if (this.#headerBytes > MAX_HEADER_BYTES) throw new RangeError("headers of unfinished messages of over 16 MiB");
    if (block.ends) this.#end(block.stream, message);
  }

  #data(stream: number, bytes: Buffer, ends: boolean): void {
    const message = this.#messageOf(stream);
    message.length += bytes.length;
    if (message.length <= MAX_MESSAGE_BYTES && this.#heldBytes + bytes.length <= MAX_HELD_BYTES) {
      message.body.add(bytes);
      this.#heldBytes += bytes.length;
    }
    if (ends) this.#end(stream, message);
  }

  #messageOf(stream: number): Message {
    const message = this.#streams.get(stream) ?? { headers: [], headerBytes: 0, body: new CollectedBytes(), length: 0 };
    this.#streams.set(stream, message);
    if (this.#streams.size > MAX_STREAMS) throw new RangeError(`more than ${MAX_STREAMS} open streams`);
    return message;
  }

  #drop(stream: number): void {
    const message = this.#streams.get(stream);
    this.#heldBytes -= message?.body.length ?? 0;
    this.#headerBytes -= message?.headerBytes ?? 0;
    this.#streams.delete(stream);
  }

  #reset({ stream, payload }: Http2Frame): void {
    this.#drop(stream);
    const code = payload.length === 4 ? payload.readUInt32BE(0) : -1;
    if (code === 0) return; // a peer that needs no more of the other direction
    this.#entries.lost(this.#direction, `the stream was reset with code ${code}`, payload.length, stream);
  }

  #end(stream: number, message: Message): void {
    this.#drop(stream);
    const body = message.body.take();
    const wire = { stream, bytes: body };
    const headers = new Map(message.headers);
    const payload = payloadOf(body, message.length);
    const code = Number(headers.get("grpc-status") ?? 0);
    if (this.#direction === "response" && code !== 0) {
      const error = { code, text: percentDecoded(headers.get("grpc-message") ?? "") };
      this.#entries.response(wire, { error, payload: Buffer.alloc(0) });
    } else if (typeof payload === "string") this.#entries.raw(this.#direction, payload, wire);
    else if (this.#direction === "response") this.#entries.response(wire, { error: undefined, payload });
    else {
      const [, service = "", method = ""] = (headers.get(":path") ?? "").split("/");
      const metadata = message.headers.filter(([name]) => !PROTOCOL_HEADERS.test(name));
      const timeoutMs = milliseconds(headers.get("grpc-timeout") ?? "");
      this.#entries.request(wire, { service, method, payload, timeoutMs, metadata: Object.fromEntries(metadata) });
    }
  }
}

/** Returns the only message of a body, or why there is none. */
function payloadOf(body: Buffer, length: number): Buffer | string {
  if (length !== body.length) return `a message of over 4 MiB: ${length} bytes`;
  if (body.length < PREFIX_BYTES || body.readUInt32BE(1) !== body.length - PREFIX_BYTES) return "not one message";
  return body[0] === 0 ? body.subarray(PREFIX_BYTES) : "a compressed message";
}

function withoutPadding({ type, flags, payload }: Http2Frame): Buffer {
  const padded = (flags & PADDED) !== 0;
  const start = (padded ? 1 : 0) + (type === HEADERS && (flags & PRIORITY) !== 0 ? 5 : 0);
  const end = payload.length - (padded ? (payload[0] ?? 0) : 0);
  if (end < start) throw new RangeError("a frame of padding only");
  return payload.subarray(start, end);
}

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Parses a grpc-timeout; 0 if there is none. */
function milliseconds(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits === "" ? 0 : Math.max(1, Math.ceil(Number(digits) * (UNITS[unit] ?? 0)));
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
