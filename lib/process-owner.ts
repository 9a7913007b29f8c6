import { readFileSync } from "node:fs";

/** A process on this machine, distinguishable from a later one with the same pid. */
export interface ProcessOwner {
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly started: number;
}

/** Returns this process. */
export function thisProcess(): ProcessOwner {
  return { pid: process.pid, started: startedAt(process.pid) ?? 0 };
}

/** True if the process is still running. */
export function isAlive({ pid, started }: ProcessOwner): boolean {
  return startedAt(pid) === started;
}

/**
 * Reads field 22 of /proc/<pid>/stat; the name before it, in parentheses, can contain anything. A zombie counts as
 * ended.
 */
function startedAt(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}
