import { readFileSync, readlinkSync } from "node:fs";

/** A process on this machine, distinguishable from a later one with the same pid. */
export interface ProcessOwner {
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly started: number;
}

/** Stands for a process that has ended. */
export const NOBODY: ProcessOwner = { pid: 0, started: 0 };

/** A process with the pid namespace and the boot in which its pid is valid. */
export interface PlacedOwner extends ProcessOwner {
  readonly namespace: string;
  readonly boot: string;
}

/** Returns this process. */
export function thisProcess(): ProcessOwner {
  return { pid: process.pid, started: startedAt(process.pid) ?? 0 };
}

/** Returns this process with its pid namespace and the boot id. */
export function thisPlacedProcess(): PlacedOwner {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return { ...thisProcess(), namespace: readlinkSync("/proc/self/ns/pid"), boot };
}

/** True if both are the same process. */
export function isSameProcess(a: ProcessOwner | undefined, b: ProcessOwner | undefined): boolean {
  return a?.pid === b?.pid && a?.started === b?.started;
}

/** True if the process is still running. */
export function isAlive({ pid, started }: ProcessOwner): boolean {
  return startedAt(pid) === started;
}

/** True if the process, of this pid namespace or of an earlier boot, has ended. Others can't be seen. */
export function hasEnded(owner: PlacedOwner): boolean {
  const { namespace, boot } = thisPlacedProcess();
  return owner.boot !== boot || (owner.namespace === namespace && !isAlive(owner));
}

/**
 * Reads when a process started, in clock ticks since boot; undefined if it has ended, as a zombie has. It is field 22 of
 * /proc/<pid>/stat; the name before it, in parentheses, can contain anything.
 */
export function startedAt(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}
