/** Bytes of a frame's head: u8 type, u8 zero, u16 length of the payload, u32 connection, all little endian. */
export const HEAD_BYTES = 8;
/** Longest payload: with its head it is what one write to a virtio-serial port takes whole. */
export const MAX_PAYLOAD_BYTES = 32_768 - HEAD_BYTES;
const NONCE_BYTES = 16;
export const VERSION = 1;
/** Connections at once; each has a number below it. */
export const MAX_CONNECTIONS = 1024;
/** Bytes of one direction of a connection that wait for their reader, at most. */
export const WINDOW_BYTES = 262_144;

const NUMBER_BYTES = 4;

/** Types by name, with the lengths of their payloads if the guest may send them. */
const KINDS = {
  hello: { code: 1, least: NUMBER_BYTES + NONCE_BYTES, most: NUMBER_BYTES + NONCE_BYTES },
  welcome: { code: 2 },
  open: { code: 3 },
  opened: { code: 4, least: 0, most: 0 },
  data: { code: 5, least: 1, most: MAX_PAYLOAD_BYTES },
  credit: { code: 6, least: NUMBER_BYTES, most: NUMBER_BYTES },
  end: { code: 7, least: 0, most: 0 },
  close: { code: 8, least: 0, most: 0 },
} as const;

export type FrameType = keyof typeof KINDS;

interface GuestKind {
  readonly type: FrameType;
  readonly least: number;
  readonly most: number;
}

const FROM_GUEST: ReadonlyMap<number, GuestKind> = new Map(
  Object.entries(KINDS).flatMap(([type, kind]) =>
    "most" in kind ? [[kind.code, { type: type as FrameType, least: kind.least, most: kind.most }]] : [],
  ),
);

/** A frame of the guest. The payload may be a view of a received chunk. */
export interface Frame {
  readonly type: FrameType;
  readonly connection: number;
  readonly payload: Buffer;
}

/** Bytes or an order of frames that the protocol doesn't allow. `message` is one line. */
export class ChannelError extends Error {
  override readonly name = "ChannelError";
}

/** Returns the head of a frame. */
export function frameHead(type: FrameType, connection: number, length: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = KINDS[type].code;
  head.writeUInt16LE(length, 2);
  head.writeUInt32LE(connection, 4);
  return head;
}

/** Returns a whole frame: without payload, or with a number (the port of `open`, the bytes of `credit`). */
export function numberFrame(type: "open" | "credit", connection: number, value: number): Buffer {
  const payload = Buffer.alloc(NUMBER_BYTES);
  payload.writeUInt32LE(value);
  return Buffer.concat([frameHead(type, connection, NUMBER_BYTES), payload]);
}

/** Returns the answer to a HELLO. */
export function welcomeFrame(nonce: Uint8Array): Buffer {
  return Buffer.concat([frameHead("welcome", 0, nonce.length), nonce]);
}

/** Returns the version and the nonce of a HELLO. */
export function readHello({ payload }: Frame): { readonly version: number; readonly nonce: Buffer } {
  return { version: payload.readUInt32LE(0), nonce: payload.subarray(NUMBER_BYTES) };
}

/** Splits the guest's bytes into frames. Holds at most one incomplete frame. After an error it can't be used. */
export class FrameParser {
  #held: Buffer = Buffer.alloc(0);

  /** Returns the frames that this chunk completes. Throws ChannelError as soon as a head is wrong. */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (bytes.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + lengthOf(bytes);
      if (bytes.length < end) break;
      frames.push({ ...headOf(bytes), payload: bytes.subarray(HEAD_BYTES, end) });
      bytes = bytes.subarray(end);
    }
    this.#held = Buffer.from(bytes);
    return frames;
  }
}

function headOf(bytes: Buffer): { readonly type: FrameType; readonly connection: number } {
  const kind = FROM_GUEST.get(bytes.readUInt8(0));
  const connection = bytes.readUInt32LE(4);
  if (kind === undefined) throw new ChannelError(`channel: the guest sent a frame of type ${bytes[0]}`);
  if (bytes[1] !== 0) throw new ChannelError(`channel: the guest sent a ${kind.type} frame with a second byte`);
  if (connection >= MAX_CONNECTIONS) throw new ChannelError(`channel: the guest named connection ${connection}`);
  return { type: kind.type, connection };
}

function lengthOf(bytes: Buffer): number {
  const { type } = headOf(bytes);
  const length = bytes.readUInt16LE(2);
  const { least = 0, most = 0 } = FROM_GUEST.get(KINDS[type].code) ?? {};
  if (length < least || length > most)
    throw new ChannelError(`channel: the guest sent a ${type} frame of ${length} bytes`);
  return length;
}
