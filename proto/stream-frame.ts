/** Size of a frame's header: u8 type, u8 stream, u16 flags, u32 length of the payload, u64 offset, all big endian. */
export const STREAM_HEADER_BYTES = 16;
/** Longest payload. */
export const MAX_PAYLOAD_BYTES = 65_536;

/** Streams of an attachment. `process` carries everything that is no stdio. */
export const STREAM = { stdin: 0, stdout: 1, stderr: 2, process: 3 } as const;

interface FrameKind {
  readonly code: number;
  readonly sender: "client" | "agent" | "both";
  readonly streams: readonly number[];
  readonly payload: boolean;
}

const { stdin, stdout, stderr, process } = STREAM;

/** Kinds of frames. A code keeps its meaning: 43, 44, 70, 71, 76 and 77 were those of lists that are calls of guestd.v1.Guest now. */
const KINDS = {
  attach: { code: 1, sender: "client", streams: [process], payload: true },
  hello: { code: 2, sender: "agent", streams: [process], payload: true },
  data: { code: 3, sender: "agent", streams: [stdout, stderr], payload: true },
  ack: { code: 4, sender: "client", streams: [stdout, stderr, process], payload: false },
  gap: { code: 5, sender: "agent", streams: [stdin, stdout, stderr], payload: true },
  eof: { code: 6, sender: "agent", streams: [stdout, stderr], payload: false },
  exit: { code: 7, sender: "agent", streams: [process], payload: true },
  stdin: { code: 8, sender: "client", streams: [stdin], payload: true },
  stdinAck: { code: 9, sender: "agent", streams: [stdin], payload: false },
  stdinEof: { code: 10, sender: "client", streams: [stdin], payload: false },
  stdinUnsure: { code: 11, sender: "agent", streams: [stdin], payload: true },
  resize: { code: 12, sender: "client", streams: [process], payload: true },
  signal: { code: 13, sender: "client", streams: [process], payload: true },
  ping: { code: 14, sender: "both", streams: [process], payload: false },
  pong: { code: 15, sender: "both", streams: [process], payload: false },
  error: { code: 16, sender: "agent", streams: [process], payload: true },
  takenOver: { code: 17, sender: "agent", streams: [process], payload: false },
  time: { code: 18, sender: "agent", streams: [stdout, stderr], payload: true },
  leave: { code: 19, sender: "client", streams: [process], payload: false },
  copy: { code: 25, sender: "client", streams: [process], payload: true },
  copyReady: { code: 26, sender: "agent", streams: [process], payload: true },
  copyData: { code: 27, sender: "both", streams: [process], payload: true },
  copyAck: { code: 28, sender: "both", streams: [process], payload: false },
  copyEnd: { code: 29, sender: "both", streams: [process], payload: true },
  forward: { code: 35, sender: "client", streams: [process], payload: true },
  forwarded: { code: 36, sender: "agent", streams: [process], payload: false },
  forwardJoin: { code: 37, sender: "client", streams: [process], payload: true },
  forwardEnd: { code: 38, sender: "both", streams: [process], payload: false },
  forwardRefused: { code: 39, sender: "agent", streams: [process], payload: true },
  forwardListen: { code: 40, sender: "client", streams: [process], payload: true },
  forwardListening: { code: 41, sender: "agent", streams: [process], payload: false },
  forwardWaiting: { code: 42, sender: "agent", streams: [process], payload: false },
  events: { code: 45, sender: "client", streams: [process], payload: true },
  eventsStart: { code: 46, sender: "agent", streams: [process], payload: true },
  event: { code: 47, sender: "agent", streams: [process], payload: true },
  eventsGap: { code: 48, sender: "agent", streams: [process], payload: true },
  eventsEnd: { code: 49, sender: "agent", streams: [process], payload: false },
  watch: { code: 50, sender: "client", streams: [process], payload: true },
  watchUpdate: { code: 51, sender: "agent", streams: [process], payload: true },
  capture: { code: 60, sender: "client", streams: [process], payload: true },
  captureStarted: { code: 61, sender: "agent", streams: [process], payload: true },
  packets: { code: 62, sender: "agent", streams: [process], payload: true },
  captureStop: { code: 63, sender: "client", streams: [process], payload: false },
  captureEnd: { code: 64, sender: "agent", streams: [process], payload: true },
  captureInterface: { code: 65, sender: "agent", streams: [process], payload: true },
  core: { code: 72, sender: "client", streams: [process], payload: true },
  coreStart: { code: 73, sender: "agent", streams: [process], payload: true },
  coreData: { code: 74, sender: "agent", streams: [process], payload: true },
  coreEnd: { code: 75, sender: "agent", streams: [process], payload: false },
} as const satisfies Readonly<Record<string, FrameKind>>;

export type FrameType = keyof typeof KINDS;

export const frameTypes = Object.keys(KINDS) as readonly FrameType[];

/** Returns who may send a frame, on which streams, and whether it has a payload. */
export const kindOf = (type: FrameType): FrameKind => KINDS[type];

const TYPES: ReadonlyMap<number, FrameType> = new Map(frameTypes.map((type) => [KINDS[type].code, type]));

export interface StreamFrame {
  readonly type: FrameType;
  readonly stream: number;
  /** Position in the stream, in bytes or packets; a number of its own for ping, pong and events, the port for forwardListening. */
  readonly offset: number;
  readonly payload: Uint8Array;
}

/** Bytes that are no frame of the protocol. `message` is one line. */
export class StreamFrameError extends Error {
  override readonly name = "StreamFrameError";
}

const NOTHING = new Uint8Array();

/** Encodes a frame; `offset` is an integer from 0 to 2^53 - 1. */
export function encodeStreamFrame(
  type: FrameType,
  stream: number,
  offset: number,
  payload: Uint8Array = NOTHING,
): Buffer<ArrayBuffer> {
  const frame = Buffer.allocUnsafe(STREAM_HEADER_BYTES + payload.length);
  writeStreamHeader(frame, type, stream, offset, payload.length);
  frame.set(payload, STREAM_HEADER_BYTES);
  return frame;
}

/** Writes the header of a frame whose payload has `length` bytes to the beginning of `into`. */
export function writeStreamHeader(into: Buffer, type: FrameType, stream: number, offset: number, length: number): void {
  into[0] = KINDS[type].code;
  into[1] = stream;
  into.writeUInt16BE(0, 2);
  into.writeUInt32BE(length, 4);
  into.writeUInt32BE(Math.floor(offset / 2 ** 32), 8);
  into.writeUInt32BE(offset % 2 ** 32, 12);
}

/** Types of frames whose payload is of use in parts. */
const CUT: ReadonlySet<FrameType> = new Set(["data", "copyData"]);

/** Payload of a frame that has not arrived. */
interface Rest {
  readonly type: FrameType;
  readonly stream: number;
  readonly offset: number;
  readonly left: number;
}

/**
 * Splits a byte stream into frames. Refuses a header as soon as it is complete, so it holds at most one frame, whatever
 * length a header claims. After an error the parser can't be used.
 */
export class StreamFrameParser {
  readonly #sender: "client" | "agent";
  readonly #isCutting: boolean;
  /** Bytes of the incomplete frame. */
  #pieces: Buffer[] = [];
  #length = 0;
  /** Bytes that complete the header, or the frame once its header is known. */
  #wanted = STREAM_HEADER_BYTES;
  #rest: Rest | undefined;

  /**
   * `sender` is the side whose frames are parsed. `cutData` returns the parts of DATA and COPY_DATA as they arrive,
   * each as a frame; then only the payloads of these two are views of a chunk.
   */
  constructor(sender: "client" | "agent", options: { readonly cutData?: boolean } = {}) {
    this.#sender = sender;
    this.#isCutting = options.cutData === true;
  }

  /** True if a frame has begun that is not complete. */
  get isInside(): boolean {
    return this.#length > 0;
  }

  /** Returns the frames completed by this chunk. Payloads may be views of `chunk`. Throws StreamFrameError. */
  push(chunk: Buffer): StreamFrame[] {
    const frames: StreamFrame[] = [];
    let bytes = chunk;
    while (bytes.length > 0) {
      if (this.#rest !== undefined) bytes = this.#takeRest(this.#rest, bytes, frames);
      else if (this.#length > 0) bytes = this.#complete(bytes, frames);
      else bytes = this.#takeFrame(bytes, frames);
    }
    return frames;
  }

  /** Takes a frame from the beginning of `bytes`; returns the bytes after it. */
  #takeFrame(bytes: Buffer, frames: StreamFrame[]): Buffer {
    if (bytes.length < STREAM_HEADER_BYTES) return this.#hold(bytes, STREAM_HEADER_BYTES);
    const { length, ...header } = this.#header(bytes);
    const end = STREAM_HEADER_BYTES + length;
    if (bytes.length >= end) {
      const payload = bytes.subarray(STREAM_HEADER_BYTES, end);
      frames.push({ ...header, payload: this.#isCutting && !CUT.has(header.type) ? Buffer.from(payload) : payload });
      return bytes.subarray(end);
    }
    if (!this.#isCutting || !CUT.has(header.type)) return this.#hold(bytes, end);
    this.#rest = { ...header, left: length };
    return bytes.subarray(STREAM_HEADER_BYTES);
  }

  /** Completes the header, or the frame, whose beginning is held; returns the bytes after it. */
  #complete(bytes: Buffer, frames: StreamFrame[]): Buffer {
    const missing = this.#wanted - this.#length;
    if (bytes.length < missing) return this.#hold(bytes, this.#wanted);
    const begun = Buffer.concat([...this.#pieces, bytes.subarray(0, missing)]);
    this.#pieces = [];
    this.#length = 0;
    this.#takeFrame(begun, frames);
    return bytes.subarray(missing);
  }

  #takeRest({ type, stream, offset, left }: Rest, bytes: Buffer, frames: StreamFrame[]): Buffer {
    const payload = bytes.subarray(0, left);
    frames.push({ type, stream, offset, payload });
    const after = left - payload.length;
    this.#rest = after === 0 ? undefined : { type, stream, offset: offset + payload.length, left: after };
    return bytes.subarray(payload.length);
  }

  #hold(bytes: Buffer, wanted: number): Buffer {
    this.#pieces.push(this.#isCutting ? Buffer.from(bytes) : bytes);
    this.#length += bytes.length;
    this.#wanted = wanted;
    return bytes.subarray(bytes.length);
  }

  #header(bytes: Buffer): { type: FrameType; stream: number; offset: number; length: number } {
    const [code, stream] = [bytes.readUInt8(0), bytes.readUInt8(1)];
    const type = TYPES.get(code);
    if (type === undefined) throw new StreamFrameError(`frame of type ${code}: the type is unknown`);
    const { sender, streams, payload }: FrameKind = KINDS[type];
    const [flags, length, offset] = [bytes.readUInt16BE(2), bytes.readUInt32BE(4), Number(bytes.readBigUInt64BE(8))];
    const refuse = (why: string) => new StreamFrameError(`frame ${type}: ${why}`);
    if (sender !== "both" && sender !== this.#sender) throw refuse(`the ${this.#sender} may not send it`);
    if (!streams.includes(stream)) throw refuse(`it doesn't belong to stream ${stream}`);
    if (flags !== 0) throw refuse(`its flags are ${flags}, not 0`);
    if (length > MAX_PAYLOAD_BYTES) throw refuse(`its length is ${length}, over ${MAX_PAYLOAD_BYTES}`);
    if (length > 0 && !payload) throw refuse(`it has a payload of ${length} bytes`);
    // A message whose fields all have their defaults is empty, such as the exit 0 of a process that printed nothing.
    if (length === 0 && payload && stream !== process) throw refuse("it has no payload");
    if (!Number.isSafeInteger(offset)) throw refuse("its offset is over 2^53 - 1");
    return { type, stream, offset, length };
  }
}
