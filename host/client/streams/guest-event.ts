/** Something that happened in the guest. */
export interface GuestEvent {
  /** Counts from 1 in each boot of the guest. */
  readonly number: number;
  readonly time: Date;
  /** Such as container-exited. */
  readonly type: string;
  readonly container: string;
  /** Exec id; empty for a container. */
  readonly exec: string;
  /** Exit code, or 128 + signal. */
  readonly code: number;
  readonly signal: number;
  /** Number of the agent since boot, for agent-restarted. */
  readonly generation: number;
  /** Epoch of a clone, for guest-resumed. */
  readonly epoch?: number;
  /** For core-dumped. */
  readonly core?: {
    readonly id: number;
    /** Bytes that the guest keeps. */
    readonly size: number;
    /** Why the core is not whole: limit, memory, time, killed or error; empty if it is. */
    readonly cut: string;
  };
}

/** Events that the agent doesn't keep any more: from `number` to the one before `to`. */
export interface EventGap {
  readonly type: "gap";
  readonly number: number;
  readonly to: number;
  readonly reason: string;
}
