import type { ProcessOwner } from "../../../lib/process-owner.ts";
import type { PortForward } from "../../vm/port-forward.ts";
import type { BootTimeline } from "../guest/boot-timeline.ts";

export const ON_TIMEOUT = ["stop", "pause"] as const;
export type OnTimeout = (typeof ON_TIMEOUT)[number];

/** Record of a guest that a guestctl of this user keeps. */
export interface GuestRecord {
  readonly name: string;
  readonly address: string;
  readonly logAddress: string;
  /** Host folder that holds the shared folder, if the guest has one. */
  readonly folder?: string | undefined;
  /** Where its containers have their roots: on disks, or in the shared folder. Default: there, if it has one. */
  readonly rootfs?: "block" | "share";
  /** Path of QEMU's control socket, in the folder of the guest's processes. */
  readonly control?: string;
  /** The process with which the guest ends if it was released; otherwise it ends with its owner. */
  readonly monitor?: ProcessOwner;
  /** Set if it ends with the container of its name. */
  readonly isOwn?: boolean;
  /** Ports of a guest with a tap network that its owner publishes. */
  readonly forwards?: readonly PortForward[] | undefined;
  readonly accelerator: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly timeline: BootTimeline;
  /** Set if the guest has a network; its containers then get the sandbox's resolv.conf. */
  readonly network?: "user" | "tap" | undefined;
  /** The guest's IPv4 address, if the host can connect to it. */
  readonly networkAddress?: string | undefined;
  /** Set if a program keeps it that has other work too: it is powered off by a call. */
  readonly isEmbedded?: true | undefined;
  /** Its own name, if it was started from a snapshot: its containers have the ids of the snapshot's. */
  readonly clone?: string | undefined;
  /** ISO 8601. */
  readonly bootedAt: string;
  /** When it is powered off or paused, whoever uses it; ISO 8601. */
  readonly endsAt?: string | undefined;
  /** Its end at that time. Default: it is powered off. */
  readonly onTimeout?: OnTimeout | undefined;
  /** Milliseconds without use after which it is saved; a use continues it. */
  readonly idleMs?: number | undefined;
  /** The agent's own address in a guest with `idleMs`, for its keeper and those who only watch; a client at `address` is a use. */
  readonly direct?: string | undefined;
  /** Set while it is paused, until it is told to continue. */
  readonly isPaused?: true | undefined;
  /** Folder to which it is or was being saved. */
  readonly saved?: string | undefined;
  /** Set once it is saved, until it continues. */
  readonly isSaved?: true | undefined;
  /** Control socket of the QEMU that is about to continue it. */
  readonly continuing?: string | undefined;
  /** Why it could not be saved, or not continue, the last time. */
  readonly savedFailure?: string | undefined;
  /** Set while it is being powered off. */
  readonly ending?: true;
  /** Set once it has ended; the record is then kept for `logs`, `ps -a`, `wait` and `inspect`. */
  readonly ended?: GuestEnd;
}

/** Returns why a running guest doesn't answer now, and what changes that; undefined if it should. */
export function restOf({ name, isSaved, isPaused }: GuestRecord): string | undefined {
  if (isSaved) return "saved, as it was idle; the next use continues it";
  return isPaused ? `paused; guestctl unpause --guest ${name} continues it` : undefined;
}

export interface GuestEnd {
  /** ISO 8601. */
  readonly at: string;
  /** Cause of death; undefined if it was powered off. */
  readonly why?: string;
}

/** Record of a container's first process or of an exec: details that the agent can't report. */
export interface ProcessRecord {
  readonly container: string;
  /** Equals the container's id for its first process. */
  readonly exec: string;
  readonly args: readonly string[];
  readonly image: string;
  readonly terminal: boolean;
  readonly startedAt: string;
  /** Path on the host. */
  readonly rootfs: string;
  /** Name of its directory in the shared folder of a running guest; that of the container if the guest is its own. */
  readonly directory?: string | undefined;
  /** Folder of the disk that a container writes (`LayerStore`); it is removed with this record. */
  readonly layer?: string | undefined;
  /** Settings that an exec inherits. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  /** The guestctl that serves the process. */
  readonly keeper?: ProcessOwner | undefined;
  /** Set until the process exists. Of a killed keeper, the supervisor removes what it may have created. */
  readonly starting?: true | undefined;
  /** Set while the container may not be started yet. */
  readonly created?: true | undefined;
  /** Path of a detached container's output. */
  readonly output?: string | undefined;
  /** Set if this record stays after the process's end, until `rm`. */
  readonly kept?: true | undefined;
  readonly paused?: boolean | undefined;
  /** "HOST:GUEST", with ":ro" if read-only. */
  readonly volumes?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How `guestctl stop` ends it: a signal's number, and seconds until it is killed. */
  readonly stopSignal?: number | undefined;
  readonly stopTimeout?: number | undefined;
  readonly ended?: ProcessEnd | undefined;
  /** Data of the command that made a kept container, to run it again. */
  readonly request?: unknown | undefined;
  /** Number of runs by the restart policy since the last start. */
  readonly restarts?: number | undefined;
  /** Set once a user has ended it, so that no policy runs it again. */
  readonly stopped?: true | undefined;
  /** Set while it waits for its next run; `ended` is of the run before. */
  readonly restarting?: true | undefined;
}

export interface ProcessEnd {
  readonly code: number;
  /** ISO 8601. */
  readonly at: string;
  /** Set if the process did not end by itself. */
  readonly why?: string | undefined;
}

/** Identifies a process; `exec` equals the container's id for its first process. */
export type ProcessName = Pick<ProcessRecord, "container" | "exec">;
