import * as abi from "../../kernel/constants.ts";
import { sortNamespaces } from "../namespaces/namespaces.ts";
import { compileExecve, compileLimits, compileProcess, type ProcessContext } from "../process/compile-process.ts";
import { dropCapabilities } from "../process/drop-capabilities.ts";
import { compileExecAffinity } from "../process/scheduling.ts";
import { compileLabels, type HasLabel } from "../process/security-labels.ts";
import type { NamespaceSpec, ProcessSpec } from "../spec.ts";
import { writeOomScore } from "./compile-create.ts";
import { type LaunchPlan, PlanBuilder } from "./plan-builder.ts";

const JOIN = abi.CLONE_NEWNS | abi.CLONE_NEWUTS | abi.CLONE_NEWIPC | abi.CLONE_NEWNET | abi.CLONE_NEWCGROUP;

/**
 * Returns CLONE_NEW* flags of the namespaces that an exec joins in such a container, without the pid namespace, in
 * which it is born.
 */
export function joinFlags(namespaces: readonly NamespaceSpec[]): number {
  const time = namespaces.some(({ type }) => type === "time") ? abi.CLONE_NEWTIME : 0;
  return JOIN | time | (hasUserNamespace(namespaces) ? abi.CLONE_NEWUSER : 0);
}

/** True if the container has its own user namespace; a process can't join the one that it is already in. */
export function hasUserNamespace(namespaces: readonly NamespaceSpec[]): boolean {
  return sortNamespaces(namespaces).user !== undefined;
}

/**
 * Compiles the plan of an exec in a container with these namespaces. Slots: report, cgroup, init (its pidfd), stdio.
 * The process is born in the pid namespace; with `bornLast`, which takes one more fork, it joins that namespace like
 * the others and forks into it once it has dropped all privileges that it will not keep.
 */
export function compileExec(
  process: ProcessSpec,
  context: Omit<ProcessContext, "inUser"> & {
    readonly hasLabel: HasLabel;
    readonly namespaces: readonly NamespaceSpec[];
  },
): LaunchPlan {
  const plan = new PlanBuilder();
  const inUser = hasUserNamespace(context.namespaces);
  const { bornLast = false } = context;
  plan.slot("report");
  plan.slot("cgroup");
  plan.add("process.oomScoreAdj", writeOomScore(process.oomScoreAdj));
  compileLabels(plan, process, context.hasLabel);
  // Even before a `fork`: otherwise the child would begin in init's process group, which its tracer could signal.
  plan.add("every process", { op: "setsid" }, { op: "session-keyring" });
  if (inUser) compileLimits(plan, process, bornLast);
  const slot = plan.slot("init");
  // The pid namespace may belong to the guest's user namespace, which the next step leaves.
  if (bornLast) plan.add("every exec", { op: "setns", slot, flags: abi.CLONE_NEWPID });
  plan.add("every exec", { op: "setns", slot, flags: joinFlags(context.namespaces) });
  compileExecAffinity(plan, process);
  const common = { ...context, inUser, bornLast };
  compileProcess(plan, process, common);
  compileExecve(plan, process, common);
  return { ...dropCapabilities(plan.finish()), bornOutside: bornLast };
}
