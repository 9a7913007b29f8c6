import { realFiles } from "../kernel/files.ts";
import { checkSpec } from "./check-spec.ts";
import { compileCreate } from "./compile-create.ts";
import { describeOp } from "./describe-op.ts";
import { detailOp } from "./detail-op.ts";
import { explainCgroup } from "./explain-cgroup.ts";
import type { CompiledPlan } from "./plan-builder.ts";
import { seccompFilter } from "./seccomp-filter.ts";
import { securityModules } from "./security-labels.ts";
import type { Spec } from "./spec.ts";

/** One operation of a plan for a person to read: the call, what it acts on, the field of the spec that it comes from. */
export interface ExplainedStep {
  readonly operation: string;
  readonly object: string;
  readonly reason: string;
}

/** The operations of a plan in order. No value of the environment is in them. */
function explainPlan({ steps, slots }: CompiledPlan): ExplainedStep[] {
  return steps.map(({ op, reason }) => {
    const { call, object } = describeOp(op);
    return { operation: call, object: detailOp(op, slots) ?? object, reason };
  });
}

/**
 * What CreateContainer does for a spec, up to execve. Throws the line that CreateContainer would give for a spec that can't be.
 */
export function explainSpec(spec: Spec): ExplainedStep[] {
  checkSpec(spec);
  const seccomp = spec.linux.seccomp && seccompFilter(spec.linux.seccomp);
  const plan = compileCreate(spec, { env: spec.process.env, hasLabel: securityModules(realFiles), seccomp });
  const object = plan.newPidNamespace ? "new pid, into its cgroup" : "into its cgroup";
  const clone = { operation: "clone3", object, reason: "linux.namespaces" };
  return [...explainCgroup(spec), clone, ...explainPlan(plan)];
}
