import { GrowingBody, type Room } from "./growing-body.ts";

/** Size of a frame's header: u32 body length, u32 stream id (both big endian), u8 type, u8 flags. */
export const HEADER_BYTES = 10;

/** Maximum size of a frame's body, 4 MiB, in both directions. */
export const MAX_BODY_BYTES = 4 << 20;

export const FRAME_REQUEST = 1;
export const FRAME_RESPONSE = 2;

export interface FrameHeader {
  readonly streamId: number;
  /** FRAME_REQUEST, FRAME_RESPONSE, 3 for stream data, or an unknown type. */
  readonly type: number;
  /** Bit 0 remote closed, bit 1 remote open, bit 2 no data. Unary clients send 0. */
  readonly flags: number;
}

/** A complete frame. */
export interface Frame extends FrameHeader {
  readonly kind: "frame";
  readonly body: Buffer;
  /** True if the body is a view of the chunk that it arrived in. */
  readonly isView: boolean;
}

const UNBOUNDED: Room = { take: () => true, takePiece: () => true, give() {} };

/**
 * A frame over MAX_BODY_BYTES or without room for it. Reported once its body has been read and discarded or, if requested
 * (`oversizeAtOnce`), as soon as its header has arrived. The stream continues after it.
 */
export interface OversizeFrame extends FrameHeader {
  readonly kind: "oversize";
  readonly length: number;
  readonly noRoom?: true;
}

/** Returns the header for a body of `length` bytes. */
export function encodeHeader(length: number, { streamId, type, flags }: FrameHeader): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  writeHeader(header, length, streamId, type, flags);
  return header;
}

/** Writes the header to the start of a frame. */
export function writeHeader(frame: Uint8Array, length: number, streamId: number, type: number, flags = 0): void {
  for (let at = 0; at < 4; at++) {
    frame[at] = length >>> (24 - 8 * at);
    frame[4 + at] = streamId >>> (24 - 8 * at);
  }
  frame[8] = type;
  frame[9] = flags;
}

/**
 * Splits a byte stream into frames. Never throws, since any byte sequence is some sequence of frames. Holds at most
 * twice the bytes received of the current frame, whatever length it claims.
 */
export class FrameParser {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  readonly #body: GrowingBody;
  /** Includes discarded bytes. */
  #bodyBytes = 0;
  #refused = false;
  readonly #room: Room;
  readonly #oversizeAtOnce: boolean;

  /** The consumer of a frame gives back as much room as its body is long. */
  constructor(room: Room = UNBOUNDED, oversizeAtOnce = false) {
    this.#room = room;
    this.#oversizeAtOnce = oversizeAtOnce;
    this.#body = new GrowingBody(room);
  }

  /** True between two frames, where the stream may end cleanly. */
  get idle(): boolean {
    return this.#headerBytes === 0;
  }

  /** Number of bytes received of the current frame. */
  get unended(): number {
    return this.#headerBytes + this.#bodyBytes;
  }

  /** Returns the frames completed by this chunk, in order. Frame bodies may be views of `chunk`. */
  push(chunk: Buffer): (Frame | OversizeFrame)[] {
    const frames: (Frame | OversizeFrame)[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#headerBytes < HEADER_BYTES) {
        const taken = chunk.copy(this.#header, this.#headerBytes, at);
        this.#headerBytes += taken;
        at += taken;
        if (this.#headerBytes < HEADER_BYTES) break;
        if (this.#oversizeAtOnce && this.#header.readUInt32BE(0) > MAX_BODY_BYTES) frames.push(this.#oversize());
      }
      const length = this.#header.readUInt32BE(0);
      const end = Math.min(chunk.length, at + length - this.#bodyBytes);
      const whole = this.#add(chunk, at, end, length);
      at = end;
      if (whole !== undefined) frames.push(whole);
    }
    return frames;
  }

  /** Gives back the room held by a frame that will never be completed. */
  release(): void {
    this.#body.drop();
  }

  #oversize(): OversizeFrame {
    const header = this.#header;
    return {
      kind: "oversize",
      streamId: header.readUInt32BE(4),
      type: header.readUInt8(8),
      flags: header.readUInt8(9),
      length: header.readUInt32BE(0),
    };
  }

  /** Adds body bytes. Once the frame is complete, returns it and resets for the next one. */
  #add(chunk: Buffer, start: number, end: number, length: number): Frame | OversizeFrame | undefined {
    const oversize = length > MAX_BODY_BYTES;
    const view = this.#bodyBytes === 0 && end - start === length;
    if (view && !oversize) this.#refused = !this.#room.take(length);
    else if (!oversize && !this.#refused) this.#refused = !this.#body.add(chunk.subarray(start, end), length);
    this.#bodyBytes += end - start;
    if (this.#bodyBytes < length) return undefined;

    const streamId = this.#header.readUInt32BE(4);
    const type = this.#header.readUInt8(8);
    const flags = this.#header.readUInt8(9);
    const body = view ? chunk.subarray(start, end) : this.#body.end();
    const refused = this.#refused;
    this.#headerBytes = 0;
    this.#bodyBytes = 0;
    this.#refused = false;
    if (oversize) return this.#oversizeAtOnce ? undefined : this.#oversize();
    if (refused) return { kind: "oversize", streamId, type, flags, length, noRoom: true };
    return { kind: "frame", streamId, type, flags, body, isView: view };
  }
}
