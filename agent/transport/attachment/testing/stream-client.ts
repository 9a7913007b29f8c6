import { once } from "node:events";
import { afterEach } from "vitest";
import { type AnyCodec, codec } from "../../../../proto/codec.ts";
import { guestd } from "../../../../proto/gen/messages.js";
import { encodeStreamFrame, type StreamFrame, StreamFrameParser } from "../../../../proto/stream-frame.ts";
import { adoptStream } from "../../../kernel/sys/streams.ts";
import { openSys, type RealSys } from "../../../kernel/sys/sys.ts";
import type { Attaching } from "../../../service/streams/attach.ts";
import { AttachmentConnection, type ConnectionKinds } from "../attachment-connection.ts";
import { FrameSocket } from "../frame-socket.ts";

const { v1 } = guestd;
const name = (message: string) => `guestd.v1.${message}`;

/** Messages by the type of their frame. */
export const messages = {
  attach: codec(name("Attach"), v1.Attach),
  hello: codec(name("Hello"), v1.Hello),
  gap: codec(name("Gap"), v1.Gap),
  time: codec(name("Time"), v1.Time),
  exit: codec(name("Exit"), v1.Exit),
  resize: codec(name("Resize"), v1.Resize),
  signal: codec(name("Signal"), v1.Signal),
  error: codec(name("Failure"), v1.Failure),
  copy: codec(name("Copy"), v1.Copy),
  copyReady: codec(name("CopyReady"), v1.CopyReady),
  copyEnd: codec(name("CopyEnd"), v1.CopyEnd),
  captureStarted: codec(name("CaptureStarted"), v1.CaptureStarted),
  captureInterface: codec(name("CaptureInterface"), v1.CaptureInterface),
  captureEnd: codec(name("CaptureEnd"), v1.CaptureEnd),
};

/** A frame as tests compare it: type, stream, offset, and its message or text, if any. */
export type ShownFrame = readonly [type: string, stream: number, offset: number, content?: unknown];

/** A client's end of a connection. */
export class StreamClient {
  readonly #socket;
  readonly #frames: StreamFrame[] = [];
  readonly closed: Promise<unknown>;

  constructor(fd: number) {
    const parser = new StreamFrameParser("agent");
    this.#socket = adoptStream(fd)
      .on("data", (chunk) => this.#frames.push(...parser.push(chunk)))
      .on("error", () => undefined)
      .on("end", () => this.#socket.end());
    this.closed = new Promise((resolve) => this.#socket.once("close", resolve));
  }

  send(...frame: Parameters<typeof encodeStreamFrame>): this {
    return this.raw(encodeStreamFrame(...frame));
  }

  raw(bytes: Uint8Array): this {
    this.#socket.write(bytes);
    return this;
  }

  /** Reads no more from the connection, or continues. */
  pause(isPaused: boolean): void {
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Resolves with the next `count` frames. */
  async next(count: number): Promise<ShownFrame[]> {
    const signal = AbortSignal.timeout(50_000);
    while (this.#frames.length < count) {
      if (this.#socket.closed) throw new Error(`closed after ${JSON.stringify(this.#frames.map(shown))}`);
      await Promise.race([once(this.#socket, "data", { signal }), this.closed]);
    }
    return this.#frames.splice(0, count).map(shown);
  }

  /** Resolves with the next error, once the agent has no more to send. */
  async failure(): Promise<unknown> {
    for (;;) {
      const [frame] = await this.next(1);
      if (frame?.[0] !== "error") continue;
      this.#socket.end();
      return frame[3];
    }
  }

  /** Resolves with the frames until the agent closes the connection. */
  async rest(): Promise<ShownFrame[]> {
    await this.closed;
    return this.#frames.splice(0).map(shown);
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }
}

function shown({ type, stream, offset, payload }: StreamFrame): ShownFrame {
  const message = type in messages ? (messages[type as keyof typeof messages] as AnyCodec) : undefined;
  if (message !== undefined) return [type, stream, offset, fieldsOf(message.decode(payload) as object)];
  return payload.length === 0
    ? [type, stream, offset]
    : [type, stream, offset, Buffer.from(payload).toString("latin1")];
}

/** Returns all fields of a message, also those with their default. */
function fieldsOf(message: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const key in message) {
    const value = message[key as keyof typeof message] as unknown;
    const isMessage =
      typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
    if (typeof value !== "function") fields[key] = isMessage ? fieldsOf(value) : value;
  }
  return fields;
}

const real = openSys();
const closers: (() => Promise<void>)[] = [];

/** Closes the connections of each test of the file when it ends. */
export function closesConnections(): void {
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });
}

interface ServingParts {
  readonly attaching?: Partial<Attaching>;
  readonly kinds: ConnectionKinds;
  readonly firstFrameMs?: number;
  readonly isSpliced?: boolean;
  readonly sys?: RealSys;
}

/** Serves a connection until `closesConnections` closes it. */
export function serveClient({ attaching = {}, kinds, firstFrameMs, isSpliced = true, sys = real }: ServingParts) {
  const [ours, theirs] = real.socketPair("stream");
  const carrier = new FrameSocket(sys, ours, isSpliced);
  let isClosed = false;
  const onClosed = () => {
    isClosed = true;
  };
  const connection = new AttachmentConnection(carrier, attaching as Attaching, kinds, onClosed, {
    ...(firstFrameMs !== undefined && { firstFrameMs }),
  });
  const client = new StreamClient(theirs);
  closers.push(async () => {
    await client.close();
    carrier.destroy();
  });
  return { client, connection, carrier, isClosed: () => isClosed };
}
