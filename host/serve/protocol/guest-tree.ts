import type { Usage } from "../../view/usage-shape.ts";

export type { Usage };

/** How the state of a guest arrives: over the stream, by calls, not yet, or not any more. */
type LinkState = "connecting" | "live" | "polled" | "lost" | "ended";
export type ProcessState = "created" | "running" | "paused" | "exited" | "unknown";

/** Bytes per second through stdio, and printed bytes that no client has acknowledged. */
export interface StreamUsage {
  readonly input?: number;
  readonly output?: number;
  readonly unacknowledged?: number;
}

/** A guest without its containers. */
export interface GuestHead {
  readonly name: string;
  readonly address: string;
  readonly link: LinkState;
  /** One line: why the state doesn't arrive. */
  readonly reason?: string | undefined;
  readonly cpus: number;
  /** Times that the agent was started again since boot. */
  readonly agentRestarts: number;
  /** CPU is a share of one processor, memory resident bytes. */
  readonly agent: { readonly cpu?: number | undefined; readonly memory?: number | undefined };
  readonly usage: Usage;
  readonly forwards: readonly ForwardUsage[];
  /** Absent for an agent that guestctl didn't start: then it can't be stopped, forked or paused. */
  readonly record?: GuestFacts;
}

/** Facts about a guest of guestctl that don't change while it runs. */
export interface GuestFacts {
  readonly accelerator: string;
  readonly memoryMib: number;
  readonly cpus: number;
  /** ISO 8601. */
  readonly bootedAt: string;
  readonly network?: string | undefined;
  readonly networkAddress?: string | undefined;
  /** True if it was started from a snapshot. */
  readonly isClone: boolean;
  /** True if it can be paused, saved and forked. */
  readonly canFork: boolean;
}

/** Bytes per second of a forwarded connection, to and from its target in the guest. */
export interface ForwardUsage {
  readonly id: string;
  readonly sent?: number;
  readonly received?: number;
}

export interface ContainerTree {
  readonly id: string;
  readonly image?: string | undefined;
  readonly state: ProcessState;
  readonly code?: number | undefined;
  readonly usage: Usage;
  /** Sum of its processes. */
  readonly streams: StreamUsage;
  readonly processes: readonly ProcessTree[];
}

export interface ProcessTree {
  /** Exec id; empty for the container's first process. */
  readonly exec: string;
  readonly pid: number;
  readonly state: ProcessState;
  readonly code?: number | undefined;
  /** Unknown for a process that guestctl didn't start. */
  readonly command?: readonly string[];
  /** Attached clients; absent if none ever was. */
  readonly clients?: number | undefined;
  readonly usage: Usage;
  readonly streams: StreamUsage;
}

export interface GuestTree extends GuestHead {
  readonly containers: readonly ContainerTree[];
}
