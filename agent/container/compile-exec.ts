import * as abi from "../kernel/constants.ts";
import { writeOomScore } from "./compile-create.ts";
import { compileExecve, compileProcess, type ProcessContext } from "./compile-process.ts";
import { type CompiledPlan, PlanBuilder } from "./plan-builder.ts";
import { compileExecAffinity } from "./scheduling.ts";
import { compileLabels, type HasModule } from "./security-labels.ts";
import type { ProcessSpec } from "./spec.ts";

/** What of a container's namespaces a further process joins; its pid namespace it is born in. */
export const JOIN = abi.CLONE_NEWNS | abi.CLONE_NEWUTS | abi.CLONE_NEWIPC | abi.CLONE_NEWNET | abi.CLONE_NEWCGROUP;

/** The plan that runs a further process in a container. Slots: report, cgroup, init (its pidfd), stdio. */
export function compileExec(
  process: ProcessSpec,
  context: ProcessContext & { readonly hasModule: HasModule },
): CompiledPlan {
  const plan = new PlanBuilder();
  plan.slot("report");
  plan.slot("cgroup");
  plan.add("process.oomScoreAdj", writeOomScore(process.oomScoreAdj));
  compileLabels(plan, process, context.hasModule);
  plan.add("every process", { op: "setsid" });
  plan.add("every exec", { op: "setns", slot: plan.slot("init"), flags: JOIN });
  compileExecAffinity(plan, process);
  compileProcess(plan, process, context);
  compileExecve(plan, process, context);
  return plan.finish();
}
