/** Events of one guest, those that it keeps first; without `guest`, the last 200 of each guest and what follows. */
export interface OpenEvents {
  readonly kind: "events";
  readonly guest?: string;
}

export interface EventsMessage {
  /** At most 500 in a message. */
  readonly events: readonly (SentEvent | SentGap)[];
}

export interface SentEvent {
  readonly guest: string;
  /** Counts from 1 in each boot of the guest. */
  readonly number: number;
  /** ISO 8601. */
  readonly time: string;
  /** Such as container-exited; docs/events.md. */
  readonly type: string;
  /** Empty for an event of the guest. */
  readonly container: string;
  /** Exec id; empty for a container. */
  readonly exec: string;
  /** Exit code, or 128 + signal, for types that end in exited. */
  readonly code: number;
  readonly signal: number;
  /** Number of the agent, for agent-restarted; else 0. */
  readonly generation: number;
}

/** Events from `number` to the one before `to` are gone. */
export interface SentGap {
  readonly guest: string;
  readonly type: "gap";
  readonly number: number;
  readonly to: number;
  readonly reason: string;
}
