/** A call that has not been answered: enough to answer it later, on the same connection, from another process. */
export interface OpenCall {
  readonly streamId: number;
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Milliseconds since the epoch when the caller gives up. Absent: never. */
  readonly deadline?: number;
}

/** One accepted connection and the calls on it. */
export interface Connection {
  /** "unknown" until the first byte has come. */
  readonly protocol: "ttrpc" | "grpc" | "unknown";
  /** For logs: "vsock:2", "unix". */
  readonly peer: string;
  /** Resolves when the socket is closed and every call on it has been settled or aborted. Never rejects. */
  readonly closed: Promise<void>;
  openCalls(): OpenCall[];
  /** Answers what is open, refuses what is new, then closes; after `graceMs` destroys. Idempotent. */
  close(graceMs?: number): Promise<void>;
  /** Closes now; open calls are aborted. Idempotent. */
  destroy(): void;
}

export interface ConnectionOptions {
  /** Handlers at work at once, those whose caller has gone included; more calls get RESOURCE_EXHAUSTED. */
  readonly maxCalls?: number;
  /** Nothing more is read while more than this waits to be written. Bytes. */
  readonly maxUnwritten?: number;
  /** How long the rest of a half-sent request may keep silent. */
  readonly quietMs?: number;
}

export const MAX_CALLS = 4096;
export const MAX_UNWRITTEN = 4 << 20;
/** What the reference agent gives its connections to end. */
export const CLOSE_GRACE_MS = 5000;
