import { cgroupPath } from "./cgroup-path.ts";
import { resourceWrites } from "./cgroup-resources.ts";
import { allowsAll, deviceRules } from "./device-rules.ts";
import type { ExplainedStep } from "./explain.ts";
import type { Spec } from "./spec.ts";

/** What is done to a container's cgroup before its first process is forked into it. */
export function explainCgroup({ linux }: Spec): ExplainedStep[] {
  const rules = deviceRules(linux);
  const filter = {
    operation: "bpf",
    object: `device filter of ${rules.length} rules`,
    reason: "linux.resources.devices",
  };
  return [
    { operation: "mkdir", object: `cgroup ${cgroupPath(linux.cgroupsPath, "<id>")}`, reason: "linux.cgroupsPath" },
    ...resourceWrites(linux.resources).map(({ file, value, field }) => ({
      operation: "write",
      object: `${value} to ${file}`,
      reason: `linux.resources.${field}`,
    })),
    ...(allowsAll(rules) ? [] : [filter]),
  ];
}
