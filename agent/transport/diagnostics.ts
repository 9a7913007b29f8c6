import { channel } from "node:diagnostics_channel";

/** A connection that was not let in, or that nothing can be done with. */
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
  /** What it was about, unchecked; undefined for one that was not read. */
  readonly container?: string | undefined;
  readonly exec?: string | undefined;
  /** Of the caller's metadata, unchecked. */
  readonly traceparent?: string | undefined;
  /** What the handler threw, with its cause; for the log only. */
  readonly error?: unknown;
}

/** A connection of an agent before that goes on, or that is closed because it is broken. */
export interface ResumedEvent {
  readonly peer: string;
  /** Why it was closed. */
  readonly broken: string | undefined;
  /** Calls that were open. */
  readonly open: number;
  /** Calls that are made again or whose answer was kept, and calls that were answered as cut off. */
  readonly repeated?: number;
  readonly cutOff?: number;
}

/** A connection that is closed because of an error here, not because of its peer. */
export interface BrokenEvent {
  readonly error: unknown;
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
  /** BrokenEvent, of something that goes on without what failed. */
  defect: channel("guestd.transport.defect"),
  /** BrokenEvent. */
  broken: channel("guestd.transport.broken"),
  /** ResumedEvent. */
  resumed: channel("guestd.transport.resumed"),
  /** CallEvent. */
  call: channel("guestd.transport.call"),
} as const;
