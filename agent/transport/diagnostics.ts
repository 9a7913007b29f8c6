import { channel } from "node:diagnostics_channel";

/** A connection that was not let in. */
export interface RefusedEvent {
  readonly peer: string;
  /** One line. */
  readonly reason: string;
}

/** A connection that began or ended. */
export interface ConnectionEvent {
  readonly peer: string;
  readonly protocol: string;
}

/** A call that was answered or lost. */
export interface CallEvent {
  readonly peer: string;
  readonly service: string;
  readonly method: string;
  /** gRPC code; undefined when the connection was lost first. */
  readonly code: number | undefined;
  readonly ms: number;
  /** What the handler threw, with its cause; for the log only. */
  readonly error?: unknown;
}

/**
 * What transport has to say, on node:diagnostics_channel, so that it needs no logger: main subscribes. Names are
 * "guestd.transport.…".
 */
export const diagnostics = {
  /** RefusedEvent. */
  refused: channel("guestd.transport.refused"),
  /** ConnectionEvent. */
  opened: channel("guestd.transport.opened"),
  /** ConnectionEvent. */
  closed: channel("guestd.transport.closed"),
  /** CallEvent. */
  call: channel("guestd.transport.call"),
} as const;
