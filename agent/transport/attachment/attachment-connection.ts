import { codec } from "../../../proto/codec.ts";
import { codeName } from "../../../proto/codes.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { type FrameType, STREAM, type StreamFrame, StreamFrameError } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { PolicyDoor } from "../../service/policy/policy-door.ts";
import { toStatus } from "../../service/status.ts";
import { type Attaching, readAttach } from "../../service/streams/attach.ts";
import { Attachment } from "./attachment.ts";
import type { FrameCarrier } from "./frame-carrier.ts";
import { FrameStream, type FrameTaker } from "./frame-stream.ts";

const FIRST_FRAME_MS = 10_000;

/** Kinds of connections that create something outside the processes that exist: refused while the guest is quiesced. */
const CREATES: ReadonlySet<FrameType> = new Set(["copy", "forward", "forwardListen", "capture"]);

const failure = codec("guestd.v1.Failure", guestd.v1.Failure);

/** The rest of a connection, once its first frame is known. */
export interface Handler extends Pick<FrameTaker, "take"> {
  /** Container and exec that it serves, for reports. */
  readonly object?: string;
  /** Throws if the policy, which has changed, denies what the connection does. */
  checkAgain(): void;
  /** Ends the handler before the connection. Idempotent. */
  close(): void;
}

/** Everything that a first frame needs. */
export interface Opening {
  readonly frames: FrameStream;
  readonly attaching: Attaching;
  readonly payload: Uint8Array;
}

/** Kinds of connections, by the type of their first frame. A kind resolves with undefined if no other frame may follow. */
export type ConnectionKinds = {
  readonly [type in FrameType]?: (opening: Opening) => Promise<Handler | undefined>;
};

export interface ConnectionSettings {
  /** How long a connection may take to send its first frame. */
  readonly firstFrameMs?: number;
  /** Throws if copies, forwards and captures are refused for now. */
  readonly checkCreation?: (what: string) => void;
  /** Connections end when it changes and denies them. */
  readonly policy?: Pick<PolicyDoor, "follow" | "version">;
}

/** Kinds that need no more of the agent than its processes and containers. */
export const ATTACHMENT_KINDS: ConnectionKinds = {
  attach: openAttachment,
  copy: async (opening) => (await import("./copy-session.ts")).beginCopy(opening),
};

/** One connection of a client: its first frame decides its kind. */
export class AttachmentConnection implements FrameTaker {
  readonly #frames: FrameStream;
  readonly #attaching: Attaching;
  readonly #kinds: ConnectionKinds;
  readonly #onClosed: (connection: AttachmentConnection) => void;
  readonly #checkCreation: (what: string) => void;
  readonly #policy: ConnectionSettings["policy"];
  #unfollow: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Type of the first frame. */
  #kind: FrameType | undefined;
  #handler: Handler | undefined;

  constructor(
    carrier: FrameCarrier,
    attaching: Attaching,
    kinds: ConnectionKinds,
    onClosed: (connection: AttachmentConnection) => void,
    { firstFrameMs = FIRST_FRAME_MS, checkCreation = () => undefined, policy }: ConnectionSettings = {},
  ) {
    this.#frames = new FrameStream(carrier, this);
    this.#attaching = attaching;
    this.#kinds = kinds;
    this.#onClosed = onClosed;
    this.#checkCreation = checkCreation;
    this.#policy = policy;
    this.#timer = setTimeout(() => this.#frames.destroy(), firstFrameMs).unref();
  }

  /** Use of the connection; `kind` is undefined before its first frame. */
  get use(): { readonly kind: FrameType | undefined; readonly object: string } {
    return { kind: this.#kind, object: this.#handler?.object ?? "a client of guestd.v1.Streams" };
  }

  onClosed(): void {
    this.#stopTimer();
    this.#endHandler();
    this.#onClosed(this);
  }

  take(frame: StreamFrame): void | Promise<void> {
    if (this.#handler !== undefined) return this.#handler.take(frame);
    if (this.#kind === undefined) return this.#open(frame);
    throw new AgentError("invalid-argument", `frame ${frame.type}: it may not follow the first one`);
  }

  /** Reports an error to the client, then closes. */
  onError(error: unknown): void {
    const known = error instanceof StreamFrameError ? new AgentError("invalid-argument", error.message) : error;
    const { code, message } = toStatus(known);
    this.#stopTimer();
    this.#endHandler();
    this.#frames.push("error", STREAM.process, 0, failure.encode({ kind: codeName(code), message }));
    this.#frames.end();
  }

  async #open({ type, payload }: StreamFrame): Promise<void> {
    this.#stopTimer();
    this.#kind = type;
    const kind = this.#kinds[type];
    if (kind === undefined) {
      throw new AgentError("invalid-argument", `frame ${type}: a connection can't begin with it`);
    }
    if (CREATES.has(type)) this.#checkCreation(type);
    const version = this.#policy?.version ?? 0;
    this.#handler = await kind({ frames: this.#frames, attaching: this.#attaching, payload });
    if (this.#frames.isClosed) this.#endHandler();
    else if (this.#handler !== undefined) this.#unfollow = this.#policy?.follow(this, version);
  }

  checkAgain(): void {
    this.#handler?.checkAgain();
  }

  #endHandler(): void {
    this.#unfollow?.();
    this.#handler?.close();
    this.#handler = undefined;
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

async function openAttachment({ frames, attaching, payload }: Opening): Promise<Handler | undefined> {
  const request = readAttach(payload);
  const process = await attaching.find(request);
  if (frames.isClosed) return undefined;
  const attachment = new Attachment(frames, attaching, request, process);
  try {
    attachment.start();
  } catch (error) {
    attachment.close(); // the next client can attach
    throw error;
  }
  return attachment;
}
