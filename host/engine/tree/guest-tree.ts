import type { Usage } from "./usage-shape.ts";

/** How the state of a guest arrives: over the stream, by calls, not yet, or not any more. */
export type LinkState = "connecting" | "live" | "polled" | "lost" | "ended";
export type ProcessState = "created" | "running" | "paused" | "exited" | "unknown";

/** Bytes per second that pass through a process's stdio, and the printed bytes that no client has acknowledged. */
export interface StreamUsage {
  readonly input?: number | undefined;
  readonly output?: number | undefined;
  readonly unacknowledged?: number | undefined;
}

/** A guest without its containers. */
export interface GuestState {
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
  readonly command?: readonly string[] | undefined;
  /** Attached clients; absent if none ever was. */
  readonly clients?: number | undefined;
  readonly usage: Usage;
  readonly streams: StreamUsage;
}
