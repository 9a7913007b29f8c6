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

/** CLONE_NEW* of what a further process joins in a container that has these namespaces; its pid namespace it is born in. */
export function joinFlags(namespaces: readonly NamespaceSpec[]): number {
  const time = namespaces.some(({ type }) => type === "time") ? abi.CLONE_NEWTIME : 0;
  return JOIN | time | (hasUserNamespace(namespaces) ? abi.CLONE_NEWUSER : 0);
}

/** Nobody can join the user namespace that he is in. */
export function hasUserNamespace(namespaces: readonly NamespaceSpec[]): boolean {
  return sortNamespaces(namespaces).user !== undefined;
}

/**
 * The plan that runs a further process in a container that has these namespaces. Slots: report, cgroup, init (its pidfd),
 * stdio. With `bornLast` it joins the pid namespace as it does the others, and is born in it once it has given up what it will
 * not have; without, which takes one fork less, it is born there.
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
  // Also where a `fork` comes: else that child would begin in the process group of init, and who traces it signals by that.
  plan.add("every process", { op: "setsid" }, { op: "session-keyring" });
  if (inUser) compileLimits(plan, process, bornLast);
  const slot = plan.slot("init");
  // It may belong to the guest's user namespace, which the next step leaves.
  if (bornLast) plan.add("every exec", { op: "setns", slot, flags: abi.CLONE_NEWPID });
  plan.add("every exec", { op: "setns", slot, flags: joinFlags(context.namespaces) });
  compileExecAffinity(plan, process);
  const common = { ...context, inUser, bornLast };
  compileProcess(plan, process, common);
  compileExecve(plan, process, common);
  return { ...dropCapabilities(plan.finish()), bornOutside: bornLast };
}
