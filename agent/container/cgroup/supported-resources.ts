import type { Files } from "../../kernel/files.ts";
import { applyWrites } from "./apply-resources.ts";
import { resourceWrites } from "./cgroup-resources.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

/**
 * The limits without those for resources the guest doesn't have, for a runtime that sets limits itself and would refuse
 * the spec. Finds out by writing the optional limits to the cgroup.
 */
export function supportedResources(files: Files, directory: string, resources: ResourcesSpec): ResourcesSpec {
  const mayBeMissing = resourceWrites(resources).filter(({ skipOn, optional }) => skipOn !== undefined || optional);
  const missing = new Set(applyWrites(files, directory, mayBeMissing).map(({ file }) => file));
  const { cpu, hugepageLimits, unified, ...others } = resources;
  const without = (field: "cpus" | "mems") => (missing.has(`cpuset.${field}`) ? { [field]: "" } : {});
  return {
    ...others,
    ...(cpu && { cpu: { ...cpu, ...without("cpus"), ...without("mems") } }),
    ...(hugepageLimits && {
      hugepageLimits: hugepageLimits.filter(({ pageSize }) => !missing.has(`hugetlb.${pageSize}.max`)),
    }),
    ...(unified && { unified: Object.fromEntries(Object.entries(unified).filter(([file]) => !missing.has(file))) }),
  };
}
