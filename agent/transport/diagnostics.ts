import { channel } from "node:diagnostics_channel";

/** A connection that was refused or can't be served. */
export interface RefusedEvent {
  readonly peer: string;
  /** One line. */
  readonly reason: string;
}

/** A connection that was opened or closed. */
export interface ConnectionEvent {
  readonly peer: string;
  readonly protocol: string;
}

/** A call that was answered, or lost with its connection. */
export interface CallEvent {
  readonly peer: string;
  readonly service: string;
  readonly method: string;
  /** gRPC code; undefined if the connection was lost first. */
  readonly code: number | undefined;
  readonly ms: number;
  /** Ids that the call names, unchecked; undefined if its request wasn't decoded. */
  readonly container?: string | undefined;
  readonly exec?: string | undefined;
  /** From the caller's metadata, unchecked. */
  readonly traceparent?: string | undefined;
  /** Error of the handler with its cause; for the log only. */
  readonly error?: unknown;
}

/** A connection of the previous agent that was resumed, or closed because it can't be. */
export interface ResumedEvent {
  readonly peer: string;
  /** Reason why it was closed; undefined if it was resumed. */
  readonly broken: string | undefined;
  /** Number of open calls. */
  readonly open: number;
  /** Calls that are repeated or had a kept answer; `cutOff` are calls answered with "the agent was restarted". */
  readonly repeated?: number;
  readonly cutOff?: number;
}

/** An error of the agent, not of the peer, that broke a connection or a listener of a call. */
export interface BrokenEvent {
  readonly error: unknown;
}

/**
 * Channels of node:diagnostics_channel for transport's events, so that transport needs no logger: main subscribes. Channels
 * of the whole agent are named "guestd.<area>.<event>".
 */
export const diagnostics = {
  /** Publishes RefusedEvent. */
  refused: channel("guestd.transport.refused"),
  /** Publishes ConnectionEvent. */
  opened: channel("guestd.transport.opened"),
  /** Publishes ConnectionEvent. */
  closed: channel("guestd.transport.closed"),
  /** Publishes BrokenEvent for a failure that the connection survives. */
  defect: channel("guestd.transport.defect"),
  /** Publishes BrokenEvent for a connection that is closed. */
  broken: channel("guestd.transport.broken"),
  /** Publishes ResumedEvent. */
  resumed: channel("guestd.transport.resumed"),
  /** Publishes CallEvent. */
  call: channel("guestd.transport.call"),
} as const;
