import type { ProcessOwner } from "../../lib/process-owner.ts";
import type { BootTimeline } from "../sandbox/boot-timeline.ts";

/** A guest that a guestctl of this user keeps. */
export interface GuestRecord {
  readonly name: string;
  readonly address: string;
  readonly logAddress: string;
  /** On the host, the folder with the one that it shares. */
  readonly folder: string;
  readonly accelerator: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly timeline: BootTimeline;
  /** Its containers get the resolv.conf of the sandbox. */
  readonly network?: "user";
  /** ISO 8601. */
  readonly bootedAt: string;
  /** It is being powered off. */
  readonly ending?: true;
  /** It no longer runs; its notes are kept for `logs`, `ps -a`, `wait` and `inspect`. */
  readonly ended?: GuestEnd;
}

export interface GuestEnd {
  /** ISO 8601. */
  readonly at: string;
  /** Undefined when it was powered off. */
  readonly why?: string;
}

/** A container's first process, or an exec: what the agent cannot be asked for. */
export interface ProcessRecord {
  readonly container: string;
  /** The container's id for its first process. */
  readonly exec: string;
  readonly args: readonly string[];
  readonly image: string;
  readonly terminal: boolean;
  readonly startedAt: string;
  /** On the host. */
  readonly rootfs: string;
  /** What an exec takes over. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  /** The guestctl that serves it. */
  readonly keeper?: ProcessOwner;
  /** It has no process yet: its name is claimed. */
  readonly starting?: true;
  /** The file of a detached container's output. */
  readonly output?: string;
  /** These notes stay after its end, until `rm`. */
  readonly kept?: true;
  readonly paused?: boolean;
  /** "HOST:GUEST", with ":ro" where it can only be read. */
  readonly volumes?: readonly string[];
  readonly ended?: ProcessEnd;
}

export interface ProcessEnd {
  readonly code: number;
  /** ISO 8601. */
  readonly at: string;
  /** Given when it did not end by itself. */
  readonly why?: string;
}

/** Which process: the exec is the container's id for its first one. */
export type ProcessName = Pick<ProcessRecord, "container" | "exec">;
