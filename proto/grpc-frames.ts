import { StreamFrameError } from "./stream-frame.ts";

/** Path of the method that carries frames. */
export const ATTACH_PATH = "/guestd.v1.Streams/Attach";
/** Bytes before the content of a message: gRPC's prefix, then the tag and the length of the field `bytes`. */
export const WRAP_BYTES = 5 + 4;
/** Longest message that a side takes. */
const MAX_MESSAGE_BYTES = 131_072 + 64;
const PREFIX_BYTES = 5;
/** Field 1, length-delimited. */
const BYTES_TAG = 0x0a;

/** Writes what precedes `length` bytes of frames in a gRPC message `Frame` (streams-grpc.proto); at most 128 KiB. */
export function writeWrap(into: Buffer, length: number): void {
  into[0] = 0; // not compressed
  into.writeUInt32BE(length + WRAP_BYTES - PREFIX_BYTES, 1);
  into[5] = BYTES_TAG;
  // A varint of three bytes, whatever its value.
  into[6] = (length & 0x7f) | 0x80;
  into[7] = ((length >> 7) & 0x7f) | 0x80;
  into[8] = (length >> 14) & 0x7f;
}

/** Returns frames as messages `Frame`, each at most 128 KiB. */
export function wrapFrames(frames: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < frames.length; at += 131_072) {
    const piece = frames.subarray(at, at + 131_072);
    const wrap = Buffer.allocUnsafe(WRAP_BYTES);
    writeWrap(wrap, piece.length);
    pieces.push(wrap, piece);
  }
  return Buffer.concat(pieces);
}

/** Splits a gRPC stream into messages `Frame` and returns their content. Holds at most one message. */
export class GrpcFramesParser {
  #held: Buffer = Buffer.alloc(0);

  /** Returns the content of the messages completed by this chunk. Throws StreamFrameError. */
  push(chunk: Buffer): Buffer[] {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const contents: Buffer[] = [];
    while (bytes.length >= PREFIX_BYTES) {
      const length = bytes.readUInt32BE(1);
      if (bytes[0] !== 0) throw new StreamFrameError("gRPC message: it is compressed; send it as it is");
      if (length > MAX_MESSAGE_BYTES) throw new StreamFrameError(`gRPC message: ${length} bytes are over 128 KiB`);
      const end = PREFIX_BYTES + length;
      if (bytes.length < end) break;
      contents.push(...contentOf(bytes.subarray(PREFIX_BYTES, end)));
      bytes = bytes.subarray(end);
    }
    this.#held = bytes;
    return contents;
  }
}

/** Returns the values of the field `bytes`; skips other fields. */
function contentOf(message: Buffer): Buffer[] {
  const contents: Buffer[] = [];
  let at = 0;
  const varint = () => {
    for (let value = 0, shift = 0; shift < 35; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new StreamFrameError("gRPC message: not a guestd.v1.Frame");
  };
  while (at < message.length) {
    const tag = varint();
    const kind = tag & 7;
    const length = kind === 2 ? varint() : kind === 1 ? 8 : kind === 5 ? 4 : -1;
    const end = length < 0 ? -1 : at + length;
    if (kind === 0) varint();
    else if (end < 0 || end > message.length) throw new StreamFrameError("gRPC message: not a guestd.v1.Frame");
    else {
      if (tag === BYTES_TAG && length > 0) contents.push(message.subarray(at, end));
      at = end;
    }
  }
  return contents;
}
