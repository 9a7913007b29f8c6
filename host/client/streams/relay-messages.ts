import type { Duplex } from "node:stream";
import {
  encodeStreamFrame,
  MAX_PAYLOAD_BYTES,
  STREAM_HEADER_BYTES,
  type StreamFrame,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { readFrames } from "./read-frames.ts";

/** Bytes that wait for the other side above which a side isn't read. */
const FULL_BYTES = 1 << 20;
/** Bytes of the page that may wait for the agent: a WebSocket without `pause` can't be held back. */
const MAX_UNSENT_BYTES = 4 << 20;
/** Time between looks at `bufferedAmount`, for which no WebSocket has an event; ms. */
const LOOK_MS = 20;
/** Longest reason of a close: a control frame has at most 125 bytes. */
const MAX_REASON_BYTES = 123;

/** Close codes of RFC 6455. */
const CLOSE = { normal: 1000, protocol: 1002, unsupported: 1003, failed: 1011, tooMuch: 1013 } as const;

/** The part of a WebSocket that the relay uses: that of `ws` on a server, or of Node and browsers. */
export interface MessageSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: () => void): void;
  addEventListener(type: "error", listener: () => void): void;
  /** `ws` alone has them. */
  pause?(): void;
  resume?(): void;
}

/**
 * Relays between a WebSocket, of which each binary message is one frame of guestd.v1.Streams, and a connection of
 * `dialStreams`. Owns both. The page is the agent's client and may do whatever the agent lets the host do: whoever opens the
 * WebSocket decides that before. Resolves once both are closed; never rejects.
 */
export async function relayMessages(socket: MessageSocket, streams: Duplex): Promise<void> {
  const closed = Promise.withResolvers<void>();
  let isOpen = true;
  const close = (code: number, reason: string) => {
    if (!isOpen) return;
    isOpen = false;
    socket.close(code, fitting(reason));
    streams.destroy();
  };
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => {
    if (!isOpen) return;
    try {
      send(streams, frameOf(data));
    } catch (error) {
      close(error instanceof Refusal ? error.code : CLOSE.protocol, (error as Error).message);
    }
    if (streams.writableLength > FULL_BYTES) socket.pause?.();
  });
  streams.on("drain", () => socket.resume?.());
  streams.on("error", () => undefined); // readFrames reports it
  socket.addEventListener("error", () => undefined); // "close" follows
  socket.addEventListener("close", () => {
    isOpen = false;
    streams.destroy();
    closed.resolve();
  });
  try {
    await readFrames(streams, ({ type, stream, offset, payload }) => {
      if (!isOpen) return "stop";
      socket.send(encodeStreamFrame(type, stream, offset, payload));
      return socket.bufferedAmount > FULL_BYTES ? roomIn(socket, () => isOpen) : undefined;
    });
    close(CLOSE.normal, "");
  } catch (error) {
    close(CLOSE.failed, (error as Error).message);
  }
  await closed.promise;
}

/** A message that ends the relay with its own close code. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Returns the frame that a message is. Throws unless it is exactly one frame of a client. */
function frameOf(data: unknown): StreamFrame {
  if (!(data instanceof ArrayBuffer)) throw new Refusal(CLOSE.unsupported, "message: text; send one frame as binary");
  const most = STREAM_HEADER_BYTES + MAX_PAYLOAD_BYTES;
  if (data.byteLength > most) throw new Refusal(CLOSE.protocol, `message: ${data.byteLength} bytes are over ${most}`);
  const [frame, ...others] = new StreamFrameParser("client").push(Buffer.from(data));
  const length = STREAM_HEADER_BYTES + (frame?.payload.length ?? 0);
  if (frame === undefined || others.length > 0 || length !== data.byteLength) {
    throw new Refusal(CLOSE.protocol, `message: ${data.byteLength} bytes are not one frame`);
  }
  return frame;
}

function send(streams: Duplex, { type, stream, offset, payload }: StreamFrame): void {
  if (streams.writableLength > MAX_UNSENT_BYTES) throw new Refusal(CLOSE.tooMuch, "the agent doesn't read; send less");
  streams.write(encodeStreamFrame(type, stream, offset, payload));
}

/** Resolves once the page has read enough, or the WebSocket is closed. */
function roomIn(socket: MessageSocket, isOpen: () => boolean): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (isOpen() && socket.bufferedAmount > FULL_BYTES) return;
      clearInterval(timer);
      resolve(undefined);
    }, LOOK_MS);
  });
}

/** Cuts a reason to what a close frame holds. */
function fitting(reason: string): string {
  return Buffer.from(reason)
    .subarray(0, MAX_REASON_BYTES)
    .toString()
    .replace(/\uFFFD$/, "");
}
