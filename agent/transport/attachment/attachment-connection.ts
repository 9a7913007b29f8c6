import { codec } from "../../../proto/codec.ts";
import { codeName } from "../../../proto/codes.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { type FrameType, STREAM, type StreamFrame, StreamFrameError } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { toStatus } from "../../service/status.ts";
import { type Attaching, readAttach } from "../../service/streams/attach.ts";
import type { WireSys } from "../wire.ts";
import { WireStream } from "../wire-stream.ts";
import { Attachment } from "./attachment.ts";
import { FrameStream } from "./frame-stream.ts";

const FIRST_FRAME_MS = 10_000;

const failure = codec("guestd.v1.Failure", guestd.v1.Failure);

/** The purpose of a connection. */
interface Conversation {
  /** Takes a frame of the client. Throws AgentError, or rejects with it. */
  take(frame: StreamFrame): Promise<void>;
  /** Ends it. Idempotent. */
  close(): void;
}

type Begin = (
  frames: FrameStream,
  attaching: Attaching,
  first: StreamFrame,
  fail: (error: unknown) => void,
) => Promise<Conversation | undefined>;

/** Kinds of connections, by their first frames. */
const KINDS: Partial<Record<FrameType, Begin>> = {
  attach: beginAttachment,
  copy: async (...all) => (await import("./copy-session.ts")).beginCopy(...all),
};

/** Resolves with undefined if the connection is closed meanwhile. */
async function beginAttachment(...[frames, attaching, { payload }, fail]: Parameters<Begin>) {
  const request = readAttach(payload);
  const process = await attaching.find(request);
  if (frames.signal.aborted) return undefined;
  const attachment = new Attachment(frames, attaching, request, process, fail);
  attachment.start();
  return attachment;
}

/** Takes a frame after the first; returns false if it may not come. */
type TakeNext = (frame: StreamFrame) => boolean;

/** Serves a connection whose first frame is not ATTACH. Without a function for later frames, only pings may follow. */
export type ConnectionKind = (frames: FrameStream, first: StreamFrame) => Promise<TakeNext | undefined>;

/** Kinds of connections by the type of their first frame. */
export type ConnectionKinds = { readonly [type in FrameType]?: ConnectionKind };

/** One connection of a client: its first frame decides what it is for, the others belong to that. */
export class AttachmentConnection {
  /** Resolves once the connection is closed. */
  readonly closed: Promise<void>;
  readonly #frames: FrameStream;
  readonly #attaching: Attaching;
  readonly #kinds: ConnectionKinds;
  readonly #timer: NodeJS.Timeout;
  #conversation: Conversation | undefined;
  #kind: ConnectionKind | undefined;
  #next: TakeNext | undefined;

  /** Owns the descriptor. */
  constructor(sys: WireSys, fd: Fd, attaching: Attaching, kinds: ConnectionKinds = {}, firstFrameMs = FIRST_FRAME_MS) {
    this.#frames = new FrameStream(new WireStream(sys, fd));
    this.#attaching = attaching;
    this.#kinds = kinds;
    this.#timer = setTimeout(() => this.#frames.destroy(), firstFrameMs).unref();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#frames.signal.addEventListener("abort", () => resolve(), { once: true });
    void this.#serve().finally(() => clearTimeout(this.#timer));
  }

  async #serve(): Promise<void> {
    try {
      for await (const frame of this.#frames.frames()) {
        await this.#take(frame);
        if (this.#frames.isReleased) return;
      }
      this.#frames.destroy();
    } catch (error) {
      if (this.#frames.signal.aborted) return;
      this.#fail(error);
      await this.#frames.drain();
    }
  }

  async #take(frame: StreamFrame): Promise<void> {
    if (this.#conversation !== undefined) return this.#conversation.take(frame);
    if (this.#kind !== undefined) return this.#takeNext(frame);
    clearTimeout(this.#timer);
    this.#kind = this.#kinds[frame.type];
    if (this.#kind !== undefined) {
      this.#next = await this.#kind(this.#frames, frame);
      return;
    }
    const begin = KINDS[frame.type];
    if (begin === undefined) {
      throw new AgentError("invalid-argument", `frame ${frame.type}: a connection can't begin with it`);
    }
    this.#conversation = await begin(this.#frames, this.#attaching, frame, (error) => this.#fail(error));
  }

  #takeNext(frame: StreamFrame): void {
    if (frame.type === "ping") this.#frames.push("pong", STREAM.process, frame.offset);
    else if (this.#next?.(frame) !== true) {
      throw new AgentError("invalid-argument", `frame ${frame.type}: it may not follow the first one`);
    }
  }

  /** Reports an error to the client, then closes. */
  #fail(error: unknown): void {
    const known = error instanceof StreamFrameError ? new AgentError("invalid-argument", error.message) : error;
    const { code, message } = toStatus(known);
    this.#frames.push("error", STREAM.process, 0, failure.encode({ kind: codeName(code), message }));
    this.#conversation?.close();
    this.#frames.end();
  }
}
