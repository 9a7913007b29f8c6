import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ReportReader } from "../../kernel/init/report.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Process } from "./process.ts";

/** Interval between checks of a process that has not executed yet, in ms. */
const LOOK_MS = 5;
/** Time limit for a readiness report, in ms: a process sends it once, and the killed agent may have read it. */
const READY_MS = 1000;

/** True if a container's init process, launched by an earlier agent, is ready for its start. */
export async function isReady(sys: Kernel["sys"], init: Process, signal: AbortSignal): Promise<boolean> {
  if (init.status !== undefined) return false;
  if (init.report === undefined) return true;
  const limit = AbortSignal.timeout(READY_MS);
  try {
    const report = await new ReportReader(sys, init.report).next(AbortSignal.any([signal, limit]));
    return report.kind === "ready";
  } catch {
    signal.throwIfAborted();
    return limit.aborted;
  }
}

/**
 * Resolves with true once an exec, launched by an earlier agent, has executed its program or has ended: it is no copy
 * of init any more. A failed execve ends with 127, which a shell may return as well, and therefore counts as
 * executed.
 */
export async function hasExecuted(exec: Process, signal: AbortSignal): Promise<boolean> {
  while (exec.status === undefined && runsInit(exec.pid)) await sleep(LOOK_MS, undefined, { signal });
  return true;
}

/** True if the process still runs our parent's program, init. */
export function runsInit(pid: number): boolean {
  try {
    const [its, inits] = [statSync(`/proc/${pid}/exe`), statSync(`/proc/${process.ppid}/exe`)];
    return its.ino === inits.ino && its.dev === inits.dev;
  } catch {
    return false; // It has just ended.
  }
}
