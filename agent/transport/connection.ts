import type { FrameCarrier } from "./attachment/frame-carrier.ts";
import type { GrpcStreams } from "./grpc-streams.ts";

/** An unanswered call, with everything needed to answer it later from another process, on the same connection. */
export interface OpenCall {
  readonly streamId: number;
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Time when the caller stops waiting, in ms of the monotonic clock. Absent: never. */
  readonly deadline?: number;
}

/** One accepted connection and the calls on it. */
export interface Connection {
  /** "unknown" until the first byte arrives. */
  readonly protocol: "ttrpc" | "grpc" | "unknown";
  /** Name for logs: "vsock:2", "unix". */
  readonly peer: string;
  /** Resolves once the socket is closed and every call on it is settled or aborted. Never rejects. */
  readonly closed: Promise<void>;
  openCalls(): OpenCall[];
  /** Answers open calls, refuses new ones, then closes; destroys after `graceMs`. Idempotent. */
  close(graceMs?: number): Promise<void>;
  /** Closes now and aborts open calls. Idempotent. */
  destroy(): void;
}

export interface ConnectionOptions {
  /** Most handlers running at once, including those whose caller is gone; further calls get RESOURCE_EXHAUSTED. */
  readonly maxCalls?: number;
  /** Bytes waiting to be written above which reading stops. */
  readonly maxUnwritten?: number;
  /**
   * Loads what serves guestd.v1.Streams on a gRPC stream; `serve` returns a line that says why it doesn't. Undefined:
   * unimplemented.
   */
  readonly attachments?: () => Promise<{ serve(carrier: FrameCarrier): string | undefined }>;
  /** Streams of all gRPC connections. Default: those of this one alone. */
  readonly grpcStreams?: GrpcStreams;
  /** How long a half-sent request may stay silent. */
  readonly quietMs?: number;
}

export const MAX_CALLS = 4096;
export const MAX_UNWRITTEN = 4 << 20;
/** The grace period of the reference agent. */
export const CLOSE_GRACE_MS = 5000;
