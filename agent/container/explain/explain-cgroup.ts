import { cgroupPath } from "../cgroup/cgroup-path.ts";
import { resourceWrites } from "../cgroup/cgroup-resources.ts";
import { allowsAll, deviceRules } from "../cgroup/device-rules.ts";
import { MAX_DESCENDANTS } from "../cgroup/limit-descendants.ts";
import type { Spec } from "../spec.ts";
import type { ExplainedStep } from "./explain.ts";

/** Returns the steps that set up a container's cgroup before init forks the first process into it. */
export function explainCgroup({ linux }: Spec): ExplainedStep[] {
  const rules = deviceRules(linux);
  const filter = {
    operation: "bpf",
    object: `device filter of ${rules.length} rules`,
    reason: "linux.resources.devices",
  };
  return [
    { operation: "mkdir", object: `cgroup ${cgroupPath(linux.cgroupsPath, "<id>")}`, reason: "linux.cgroupsPath" },
    { operation: "write", object: `${MAX_DESCENDANTS} to cgroup.max.descendants`, reason: "every container" },
    ...resourceWrites(linux.resources).map(({ file, value, field }) => ({
      operation: "write",
      object: `${value} to ${file}`,
      reason: `linux.resources.${field}`,
    })),
    ...(allowsAll(rules) ? [] : [filter]),
  ];
}
