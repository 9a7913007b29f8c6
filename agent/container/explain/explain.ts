import { AgentError } from "../../kernel/error.ts";
import { realFiles } from "../../kernel/files.ts";
import { commandLine } from "../../kernel/init/command-line.ts";
import { describeOp, detailOp } from "../../kernel/init/describe-op.ts";
import { withPrivilegedDevices } from "../cgroup/privileged-devices.ts";
import { debugTarget, targetMount } from "../debug-target.ts";
import { CREATE_HOOKS, type HookKind, type HookSpec, type HooksSpec } from "../hooks/hooks.ts";
import { checkSpec } from "../plan/check-spec.ts";
import { compileCreate } from "../plan/compile-create.ts";
import type { CompiledPlan } from "../plan/plan-builder.ts";
import { securityModules } from "../process/security-labels.ts";
import { requestedRuntime } from "../runtime/find-runtime.ts";
import { seccompFilter } from "../seccomp/seccomp-filter.ts";
import { sharePlan } from "../shared-mounts.ts";
import type { Spec } from "../spec.ts";
import { explainAgent } from "./explain-agent.ts";
import { explainCgroup } from "./explain-cgroup.ts";

/** One operation of a plan, for people: the call, what it acts on, and the field of the spec that it comes from. */
export interface ExplainedStep {
  readonly operation: string;
  readonly object: string;
  readonly reason: string;
  /** How long it took, µs; absent if it wasn't measured. 65,535: that or longer. */
  readonly micros?: number | undefined;
}

/** Returns the operations of a plan in order, with hooks where they run. Contains no environment values. */
function explainPlan(
  { steps, slots }: CompiledPlan,
  hooks: HooksSpec | undefined,
  stepMicros: readonly number[] = [],
): ExplainedStep[] {
  return steps.flatMap(({ op, reason }, at) => {
    const { call, object } = describeOp(op);
    const step = { operation: call, object: detailOp(op, slots) ?? object, reason, micros: stepMicros[at] };
    if (op.op !== "wait") return [step];
    return [step, ...explainHooks(hooks, reason === "hooks" ? CREATE_HOOKS : ["startContainer"])];
  });
}

function explainHooks(hooks: HooksSpec | undefined, kinds: readonly HookKind[]): ExplainedStep[] {
  return kinds.flatMap((kind) =>
    (hooks?.[kind] ?? []).map((hook, at) => ({
      operation: "hook",
      object: hookLine(hook),
      reason: `hooks.${kind}[${at}]`,
    })),
  );
}

function hookLine({ path, args, timeout }: HookSpec): string {
  return `${commandLine([path, ...args.slice(1)])}, at most ${timeout} s`;
}

/**
 * Explains what CreateContainer does for a spec, up to execve, with the durations of the launch plan's first operations. Throws
 * the error that CreateContainer returns for an invalid spec.
 */
export function explainSpec(given: Spec, stepMicros?: readonly number[]): ExplainedStep[] {
  const spec = withPrivilegedDevices(given);
  checkSpec(spec);
  const runtime = requestedRuntime(spec.annotations);
  if (runtime !== undefined) {
    throw new AgentError("failed-precondition", `explain: the spec requests ${runtime}, which has no launch plan`);
  }
  const seccomp = spec.linux.seccomp && seccompFilter(spec.linux.seccomp);
  const plan = compileCreate(spec, { env: spec.process.env, hasLabel: securityModules(realFiles), seccomp });
  const object = plan.newPidNamespace ? "new pid, into its cgroup" : "into its cgroup";
  const target = debugTarget(spec.annotations);
  const clone = { operation: "clone3", object, reason: "linux.namespaces" };
  return [
    ...explainCgroup(spec),
    ...explainAgent(spec),
    clone,
    ...explainPlan(plan, spec.hooks, stepMicros),
    ...(target === undefined ? [] : explainPlan(sharePlan(targetMount(target)), undefined)),
    ...explainHooks(spec.hooks, ["poststart", "poststop"]),
  ];
}
