import { GrowingBody, type Room } from "./growing-body.ts";

/** Bytes of a frame's header: u32 body length, u32 stream id (both big endian), u8 type, u8 flags. */
export const HEADER_BYTES = 10;

/** Largest body of a frame, 4 MiB, in both directions. */
export const MAX_BODY_BYTES = 4 << 20;

export const FRAME_REQUEST = 1;
export const FRAME_RESPONSE = 2;

export interface FrameHeader {
  readonly streamId: number;
  /** FRAME_REQUEST, FRAME_RESPONSE, 3 for data of a stream, or something we do not know. */
  readonly type: number;
  /** Bit 0 remote closed, bit 1 remote open, bit 2 no data. Unary clients send 0. */
  readonly flags: number;
}

/** A whole frame. */
export interface Frame extends FrameHeader {
  readonly kind: "frame";
  readonly body: Buffer;
  /** The body is a view of the chunk that it came in. */
  readonly isView: boolean;
}

const UNBOUNDED: Room = { take: () => true, takePiece: () => true, give() {} };

/**
 * A frame over MAX_BODY_BYTES, or one for which there was no room, reported when its body has been read and thrown away,
 * or, if the parser is told so, as soon as its header is there. The stream goes on after it.
 */
export interface OversizeFrame extends FrameHeader {
  readonly kind: "oversize";
  readonly length: number;
  readonly noRoom?: true;
}

/** The bytes to put before a body of `length` bytes. */
export function encodeHeader(length: number, { streamId, type, flags }: FrameHeader): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  writeHeader(header, length, streamId, type, flags);
  return header;
}

/** The same, to the start of a frame. */
export function writeHeader(frame: Uint8Array, length: number, streamId: number, type: number, flags = 0): void {
  for (let at = 0; at < 4; at++) {
    frame[at] = length >>> (24 - 8 * at);
    frame[4 + at] = streamId >>> (24 - 8 * at);
  }
  frame[8] = type;
  frame[9] = flags;
}

/**
 * Cuts a byte stream into frames. Never throws: every byte sequence is some sequence of frames. Holds no more memory
 * than twice the bytes of the frame it is in the middle of, whatever length that frame claims.
 */
export class FrameParser {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  readonly #body: GrowingBody;
  /** Those that were thrown away included. */
  #bodyBytes = 0;
  #refused = false;
  readonly #room: Room;
  readonly #oversizeAtOnce: boolean;

  /** Whoever takes a frame gives back as much of the room as its body is long. */
  constructor(room: Room = UNBOUNDED, oversizeAtOnce = false) {
    this.#room = room;
    this.#oversizeAtOnce = oversizeAtOnce;
    this.#body = new GrowingBody(room);
  }

  /** True between two frames, where the end of the stream is a clean one. */
  get idle(): boolean {
    return this.#headerBytes === 0;
  }

  /** Bytes of the frame that has begun. */
  get unended(): number {
    return this.#headerBytes + this.#bodyBytes;
  }

  /** The frames that end in this chunk, in order. Frame bodies may be views of `chunk`. */
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

  /** Gives back what it holds of a frame that will not be ended. */
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

  /** Takes body bytes; gives the frame when it is complete, and is then ready for the next one. */
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
