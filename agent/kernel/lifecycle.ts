import { channel } from "node:diagnostics_channel";

/** Something that happened to a container, an exec, the agent or the guest. */
export interface LifecycleEvent {
  readonly type:
    | "container-created"
    | "container-started"
    | "container-exited"
    | "container-removed"
    | "exec-started"
    | "exec-exited"
    | "oom-killed"
    | "agent-restarted"
    | "core-dumped"
    | "guest-resumed";
  readonly container?: string;
  /** Exec id; absent for a container. */
  readonly exec?: string;
  /** Exit code, or 128 + signal. */
  readonly code?: number;
  readonly signal?: number;
  /** Number of the agent since boot, for agent-restarted. */
  readonly generation?: number;
  /** Epoch of the guest, for guest-resumed. */
  readonly epoch?: number;
  /** For core-dumped. */
  readonly core?: {
    readonly id: number;
    /** Bytes that are kept. */
    readonly size: number;
    /** Why the core is not whole; empty if it is. */
    readonly cut: string;
  };
}

/** Publishes LifecycleEvent, in the order in which the events of one container happen. */
export const lifecycle = channel("guestd.lifecycle");

export function publishEvent(event: LifecycleEvent): void {
  lifecycle.publish(event);
}
