import { ALL_CAPABILITIES } from "../../kernel/capabilities.ts";
import { CLONE_NEWUSER } from "../../kernel/constants.ts";
import type { Operation } from "../../kernel/init/operation.ts";
import { OPS, type PlanOp } from "../../kernel/init/plan.ts";
import type { CompiledPlan, PlanStep } from "../plan/plan-builder.ts";

/**
 * Returns the plan with a first step that drops all capabilities that neither its operations nor its final process
 * need; the bounding set is the final one from the start. Another drop follows each step into a user namespace, where
 * a process has all capabilities again. A plan whose program keeps init's capabilities is returned unchanged.
 */
export function dropCapabilities<P extends CompiledPlan>(plan: P): P {
  const parts = partsOf(plan.steps);
  const last = parts.pop() ?? [];
  if (last.at(-1)?.op.op !== "exit" && !last.some(isFinal)) return plan;
  const { slots } = plan;
  return { ...plan, steps: [...parts.flatMap((part) => [...dropOf(part, slots), ...part]), ...lastPart(last, slots)] };
}

/** Splits the steps after each one that enters a user namespace. */
function partsOf(steps: readonly PlanStep[]): PlanStep[][] {
  const parts: PlanStep[][] = [[]];
  for (const step of steps) {
    parts.at(-1)?.push(step);
    if (entersUser(step.op)) parts.push([]);
  }
  return parts;
}

function lastPart(steps: readonly PlanStep[], slots: readonly string[]): PlanStep[] {
  const bounding = steps.filter(({ op }) => op.op === "bounding");
  const others = steps.filter(({ op }) => op.op !== "bounding");
  const end = others.findIndex(isFinal);
  return [...bounding, ...dropOf(end < 0 ? others : others.slice(0, end + 1), slots), ...others];
}

function dropOf(steps: readonly PlanStep[], slots: readonly string[]): PlanStep[] {
  let kept = 0n;
  for (const { op } of steps) {
    if (op.op === "capset") kept |= op.effective | op.permitted | op.inheritable;
    const { needs } = OPS[op.op] as Operation<never>;
    const needed = typeof needs === "function" ? needs(op as never, slots) : needs;
    if (needed === "all") return [];
    kept |= needed;
  }
  const mask = kept & ALL_CAPABILITIES;
  return mask === ALL_CAPABILITIES ? [] : [{ op: { op: "drop", mask }, reason: "every process" }];
}

/** True for the step after which the process has its final capabilities. */
function isFinal({ op }: PlanStep): boolean {
  return op.op === "capset";
}

function entersUser(op: PlanOp): boolean {
  return (op.op === "setns" || op.op === "unshare") && (op.flags & CLONE_NEWUSER) !== 0;
}
