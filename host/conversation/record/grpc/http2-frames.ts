/** Size of a frame's header: u24 length, u8 type, u8 flags, u32 stream id. */
const HEADER_BYTES = 9;
/** Longest frame that is followed. Peers send at most 16 KiB unless a setting allows more. */
const MAX_FRAME_BYTES = 1 << 20;

export interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Splits one direction of an HTTP/2 connection into frames. Holds at most one. */
export class Http2Frames {
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Bytes of the host's preface that are still to come. */
  #preface: number;

  constructor(prefaceBytes: number) {
    this.#preface = prefaceBytes;
  }

  /** Returns the frames that this chunk completes. Throws RangeError for a frame of over 1 MiB. */
  push(chunk: Buffer): Http2Frame[] {
    const skipped = Math.min(this.#preface, chunk.length);
    this.#preface -= skipped;
    this.#held.push(chunk.subarray(skipped));
    this.#heldBytes += chunk.length - skipped;
    if (this.#heldBytes < this.#needed()) return [];
    let bytes = Buffer.concat(this.#held);
    const frames: Http2Frame[] = [];
    while (bytes.length >= HEADER_BYTES) {
      const length = lengthOf(bytes);
      const end = HEADER_BYTES + length;
      if (bytes.length < end) break;
      const stream = bytes.readUInt32BE(5) & 0x7fffffff;
      frames.push({
        type: bytes.readUInt8(3),
        flags: bytes.readUInt8(4),
        stream,
        payload: bytes.subarray(HEADER_BYTES, end),
      });
      bytes = bytes.subarray(end);
    }
    this.#held = bytes.length === 0 ? [] : [bytes];
    this.#heldBytes = bytes.length;
    return frames;
  }

  /** Returns the bytes that complete the held frame, as far as they are known. */
  #needed(): number {
    const [first] = this.#held;
    return first === undefined || first.length < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + lengthOf(first);
  }
}

function lengthOf(bytes: Buffer): number {
  const length = bytes.readUIntBE(0, 3);
  if (length > MAX_FRAME_BYTES) throw new RangeError("a frame of over 1 MiB");
  return length;
}
