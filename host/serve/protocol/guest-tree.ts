import type { ContainerTree, GuestState } from "../../engine/tree/guest-tree.ts";

export type { ContainerTree, ProcessTree, StreamUsage } from "../../engine/tree/guest-tree.ts";
export type { Usage } from "../../engine/tree/usage-shape.ts";

/** A guest without its containers. */
export interface GuestHead extends GuestState {
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

export interface GuestTree extends GuestHead {
  readonly containers: readonly ContainerTree[];
}
