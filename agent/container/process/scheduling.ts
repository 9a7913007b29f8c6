import type { PlanOp } from "../../kernel/init/plan.ts";
import type { PlanBuilder } from "../plan/plan-builder.ts";
import { refuse } from "../refuse.ts";
import type { ProcessSpec, SchedulerSpec } from "../spec.ts";
import { parseCpuList } from "./cpu-list.ts";

/** Numbers from include/uapi/linux/sched.h. SCHED_ISO has a number, but no implementation. */
const POLICIES = new Map([
  ["SCHED_OTHER", 0],
  ["SCHED_FIFO", 1],
  ["SCHED_RR", 2],
  ["SCHED_BATCH", 3],
  ["SCHED_IDLE", 5],
  ["SCHED_DEADLINE", 6],
]);

const FLAGS = new Map([
  ["SCHED_FLAG_RESET_ON_FORK", 0x01],
  ["SCHED_FLAG_RECLAIM", 0x02],
  ["SCHED_FLAG_DL_OVERRUN", 0x04],
  ["SCHED_FLAG_KEEP_POLICY", 0x08],
  ["SCHED_FLAG_KEEP_PARAMS", 0x10],
  ["SCHED_FLAG_UTIL_CLAMP_MIN", 0x20],
  ["SCHED_FLAG_UTIL_CLAMP_MAX", 0x40],
]);

const IO_CLASSES = new Map([
  ["IOPRIO_CLASS_RT", 1],
  ["IOPRIO_CLASS_BE", 2],
  ["IOPRIO_CLASS_IDLE", 3],
]);
const IO_CLASS_SHIFT = 13;

/**
 * Adds scheduler and I/O priority to a plan; before a `fork`, only the settings a child inherits. Throws naming an
 * unsupported field.
 */
export function compileScheduling(plan: PlanBuilder, process: ProcessSpec, forks = false): void {
  const { ioPriority } = process;
  if (!forks || !endsWithFork(process)) compileScheduler(plan, process);
  if (ioPriority !== undefined) plan.add("process.ioPriority", ioPriorityOp(ioPriority));
}

/** Adds, after a `fork`, the settings that a child doesn't inherit. */
export function compileSchedulingAfterFork(plan: PlanBuilder, process: ProcessSpec): void {
  if (endsWithFork(process)) compileScheduler(plan, process);
}

/** True if children don't inherit the scheduler, or the process may not fork with it. */
function endsWithFork({ scheduler }: ProcessSpec): boolean {
  if (scheduler === undefined) return false;
  return scheduler.policy === "SCHED_DEADLINE" || scheduler.flags.includes("SCHED_FLAG_RESET_ON_FORK");
}

function compileScheduler(plan: PlanBuilder, { scheduler }: ProcessSpec): void {
  if (scheduler !== undefined) plan.add("process.scheduler", schedulerOp(scheduler));
}

/**
 * Adds the processors that an exec runs on. `initial` is meant for the time before the process joins its cgroup; here
 * the process is born in it, and uses `initial` only without a `final`.
 */
export function compileExecAffinity(plan: PlanBuilder, { execCPUAffinity }: ProcessSpec): void {
  if (execCPUAffinity === undefined) return;
  const initial = cpus("initial", execCPUAffinity.initial);
  const final = cpus("final", execCPUAffinity.final);
  const name = final.length > 0 ? "final" : "initial";
  const chosen = final.length > 0 ? final : initial;
  if (chosen.length > 0) plan.add(`process.execCPUAffinity.${name}`, { op: "cpu-affinity", cpus: chosen });
}

/** Throws naming the first invalid field; adds nothing. */
export function checkScheduling(process: ProcessSpec): void {
  const { scheduler, ioPriority, execCPUAffinity } = process;
  if (scheduler !== undefined) schedulerOp(scheduler);
  if (ioPriority !== undefined) ioPriorityOp(ioPriority);
  if (execCPUAffinity === undefined) return;
  cpus("initial", execCPUAffinity.initial);
  cpus("final", execCPUAffinity.final);
}

function schedulerOp(scheduler: SchedulerSpec): PlanOp {
  const field = "process.scheduler";
  const { policy, nice, priority, runtime, deadline, period } = scheduler;
  const number = POLICIES.get(policy);
  if (number === undefined) throw refuse(`${field}.policy`, `"${policy}" is not supported by Linux`);
  if (nice < -20 || nice > 19) throw refuse(`${field}.nice`, `${nice} is outside -20..19`);
  if (priority !== 0 && policy !== "SCHED_FIFO" && policy !== "SCHED_RR") {
    throw refuse(`${field}.priority`, `${priority} is for SCHED_FIFO and SCHED_RR, not ${policy}`);
  }
  for (const [name, value] of Object.entries({ runtime, deadline, period })) {
    if (value !== 0 && policy !== "SCHED_DEADLINE") {
      throw refuse(`${field}.${name}`, `${value} is for SCHED_DEADLINE, not ${policy}`);
    }
    if (!Number.isSafeInteger(value)) throw refuse(`${field}.${name}`, `${value} is more than 2^53 ns`);
  }
  let flags = 0;
  for (const flag of scheduler.flags) {
    const bit = FLAGS.get(flag);
    if (bit === undefined) throw refuse(`${field}.flags`, `"${flag}" is not supported by Linux`);
    flags |= bit;
  }
  return { op: "scheduler", attributes: { policy: number, flags, nice, priority, runtime, deadline, period } };
}

function ioPriorityOp({ class: name, priority }: { readonly class: string; readonly priority: number }): PlanOp {
  const number = IO_CLASSES.get(name);
  if (number === undefined) throw refuse("process.ioPriority.class", `"${name}" is not supported by Linux`);
  if (priority < 0 || priority > 7) throw refuse("process.ioPriority.priority", `${priority} is outside 0..7`);
  return { op: "io-priority", value: (number << IO_CLASS_SHIFT) | priority };
}

function cpus(name: "initial" | "final", text: string): readonly number[] {
  const parsed = parseCpuList(text);
  if (parsed === undefined) throw refuse(`process.execCPUAffinity.${name}`, `"${text}" is not a list of processors`);
  return parsed;
}
