import type { Files } from "../../kernel/files.ts";
import { applyWrites } from "./apply-resources.ts";
import { resourceWrites } from "./cgroup-resources.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

/**
 * The limits without what the guest hasn't got, for a runtime that sets them itself and would refuse the spec. Those that
 * may be left out are written to the cgroup to find out.
 */
export function supportedResources(files: Files, directory: string, resources: ResourcesSpec): ResourcesSpec {
  const mayLack = resourceWrites(resources).filter(({ leftOutAt, optional }) => leftOutAt !== undefined || optional);
  const lacking = new Set(applyWrites(files, directory, mayLack).map(({ file }) => file));
  const { cpu, hugepageLimits, unified, ...others } = resources;
  const without = (field: "cpus" | "mems") => (lacking.has(`cpuset.${field}`) ? { [field]: "" } : {});
  return {
    ...others,
    ...(cpu && { cpu: { ...cpu, ...without("cpus"), ...without("mems") } }),
    ...(hugepageLimits && {
      hugepageLimits: hugepageLimits.filter(({ pageSize }) => !lacking.has(`hugetlb.${pageSize}.max`)),
    }),
    ...(unified && { unified: Object.fromEntries(Object.entries(unified).filter(([file]) => !lacking.has(file))) }),
  };
}
