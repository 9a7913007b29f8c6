import type { JsonMessage } from "./message-json.ts";

export const FORMAT = "guestd-conversation";
export const VERSION = 1;

/** Longest line of a file in bytes. A frame of 4 MiB as base64 fits; a message that is longer as JSON is kept raw. */
export const MAX_LINE_BYTES = 8 << 20;

export type Protocol = "ttrpc" | "grpc";

/** A request goes from the host to the agent. */
export type Direction = "request" | "response";

/** First line of a file. */
export interface Header {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** Protocol of the first connection. */
  readonly protocol: Protocol;
  /** Start of the recording, as ISO 8601. */
  readonly started?: string;
  /** True if secrets were replaced by as many x. */
  readonly redacted?: true;
}

interface Event {
  /** Since the start of the recording. */
  readonly ms: number;
  /** Number of the connection, from 1. */
  readonly conn: number;
}

export interface Opened extends Event {
  readonly kind: "opened";
  readonly protocol: Protocol;
}

/** One side has sent its last byte; the other side may continue. */
export interface Ended extends Event {
  readonly kind: "ended";
  readonly by: "host" | "agent";
}

export interface Closed extends Event {
  readonly kind: "closed";
  /** The error that ended the connection. */
  readonly reason?: string;
}

interface CallEvent extends Event {
  /** Stream id of the protocol. */
  readonly stream: number;
  readonly service: string;
  readonly method: string;
}

/** A message of a type in our .proto files, or the bytes of another one. */
interface Content {
  readonly message?: JsonMessage;
  /** Base64; instead of `message` if that can't be decoded. */
  readonly payload?: string;
  /** Length of a payload that was left out as a secret. */
  readonly length?: number;
}

export interface Request extends CallEvent, Content {
  readonly kind: "request";
  /** Time limit that the host sends; absent if it sends none. */
  readonly timeout_ms?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Response extends CallEvent, Content {
  readonly kind: "response";
}

export interface Failure extends CallEvent {
  readonly kind: "error";
  /** gRPC code. */
  readonly code: number;
  readonly text: string;
}

/** Bytes that aren't a frame of a call. */
export interface Raw extends Event {
  readonly kind: "raw";
  readonly direction: Direction;
  readonly reason: string;
  readonly length: number;
  readonly stream?: number | undefined;
  readonly type?: number;
  readonly flags?: number;
  /** Body of the frame, as base64; absent if it was too long, or a secret. */
  readonly bytes?: string;
}

/** A line after the header. */
export type Entry = Opened | Ended | Closed | Request | Response | Failure | Raw;
