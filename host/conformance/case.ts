import type { CaseContext } from "./case-context.ts";

/** Levels in order: a Kata host breaks, users notice, or only guestd promises it. */
export const LEVELS = ["must", "should", "may"] as const;
export type Level = (typeof LEVELS)[number];

/** Conditions that a run may lack; `Session.missing` says why. */
export type Prerequisite =
  /** CreateSandbox succeeded, or a sandbox existed. */
  | "sandbox"
  /** The sandbox and a root file system with busybox in the guest. */
  | "rootfs"
  /** The suite has started the agent, so a case may spoil or end it. */
  | "own-agent"
  /** The suite can kill the agent, and another one takes over. */
  | "restart"
  | "ttrpc"
  /** Containers have a memory controller in their cgroup. */
  | "memory-limits"
  /** A network interface that cases may change; includes `rootfs`. */
  | "interface";

/** One promise of an agent. */
export interface ConformanceCase {
  /** Name of the call, a colon, and the sentence that the case proves. Unique. */
  readonly name: string;
  readonly level: Level;
  /** Origin of the rule, such as "Go shim" or "OCI runtime spec, process". */
  readonly source: string;
  readonly needs?: readonly Prerequisite[];
  /** First contract version with this rule; by default the oldest. */
  readonly since?: string;
  /** Time limit in seconds; by default the run's. */
  readonly timeLimit?: number;
  /** True if it ends the agent: the next case of its group gets another one. Its group is not parallel. */
  readonly endsAgent?: true;
  /**
   * True if an agent of the contract may block for ever on it: it runs after the others of its group, with an agent that the suite
   * has started for it alone.
   */
  readonly mayBlockAgent?: true;
  /** Rejects with CaseFailure, with SkipCase, or with any error of a call. */
  readonly run: (context: CaseContext) => Promise<unknown>;
}

/** Cases of one subject, which run against one agent. */
export interface CaseGroup {
  readonly name: string;
  readonly title: string;
  /** True if its cases don't disturb each other. */
  readonly parallel?: boolean;
  /** Prerequisites of all its cases. */
  readonly needs?: readonly Prerequisite[];
  readonly cases: readonly ConformanceCase[];
}
