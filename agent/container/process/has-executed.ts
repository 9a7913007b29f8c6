import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ReportReader } from "../../kernel/init/report.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Process } from "./process.ts";

/** Between two looks at a process that is on its way to its program. */
const LOOK_MS = 5;
/** A process that has said that it is ready says no more, and the agent that was killed may have read it. */
const READY_MS = 1000;

/** Whether a container's first process, launched by an agent before, stands ready for its start. */
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
 * Whether an exec, launched by an agent before, executes its program, or has ended: resolves once it is no copy of init any
 * more. One that can't be executed ends with 127, which a shell may do as well, and counts as one that has.
 */
export async function hasExecuted(exec: Process, signal: AbortSignal): Promise<boolean> {
  while (exec.status === undefined && isInit(exec.pid)) await sleep(LOOK_MS, undefined, { signal });
  return true;
}

/** It runs the program of our parent still. */
export function isInit(pid: number): boolean {
  try {
    const [its, inits] = [statSync(`/proc/${pid}/exe`), statSync(`/proc/${process.ppid}/exe`)];
    return its.ino === inits.ino && its.dev === inits.dev;
  } catch {
    return false; // it has just ended
  }
}
