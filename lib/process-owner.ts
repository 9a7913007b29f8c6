import { readFileSync } from "node:fs";

/** A process of this machine that can be told from a later one with the same pid. */
export interface ProcessOwner {
  readonly pid: number;
  /** Clock ticks since boot when it started. */
  readonly started: number;
}

/** This process. */
export function thisProcess(): ProcessOwner {
  return { pid: process.pid, started: startedAt(process.pid) ?? 0 };
}

/** Whether it still runs. */
export function isAlive({ pid, started }: ProcessOwner): boolean {
  return startedAt(pid) === started;
}

/** Field 22 of /proc/<pid>/stat; the name before it, in parentheses, may hold anything. A zombie counts as gone. */
function startedAt(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}
