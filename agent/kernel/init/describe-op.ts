import type { Operation } from "./operation.ts";
import { OPS, type PlanOp } from "./plan.ts";

/** Describes an operation for people: the call, and what it acts on. Never shows environment values. */
export function describeOp(op: PlanOp): { readonly call: string; readonly object: string } {
  const { call = op.op, object } = rowOf(op);
  return {
    call: typeof call === "string" ? call : call(op),
    object: typeof object === "string" ? object : object(op),
  };
}

/**
 * Describes everything that an operation acts on; undefined if `describeOp` has said it all. `slots` are the names of the
 * plan's descriptors.
 */
export function detailOp(op: PlanOp, slots: readonly string[]): string | undefined {
  return rowOf(op).detail?.(op, slots);
}

function rowOf(op: PlanOp): Operation<PlanOp> {
  return OPS[op.op] as Operation<never> as Operation<PlanOp>;
}
