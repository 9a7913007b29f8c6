import { AgentError } from "../../kernel/error.ts";
import { cpuWrites } from "./cgroup-cpu.ts";
import { ioWrites } from "./cgroup-io.ts";
import { memoryWrites } from "./cgroup-memory.ts";
import { unifiedWrites } from "./cgroup-unified.ts";
import { type CgroupWrite, limitWrites, refuseResource } from "./cgroup-write.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

/** Each write is a system call that blocks the agent's main thread. */
const MAX_WRITES = 1024;

/**
 * Returns the writes that set the limits, in the order that suits the kernel. `unified` comes last because it overrides
 * all others. `now` holds the current limits, for an update that gives one half of a pair (quota and period, limit and
 * swap). Throws one line naming an invalid field.
 */
export function resourceWrites(resources: ResourcesSpec, now: ResourcesSpec = {}): CgroupWrite[] {
  const { cpu, memory, pids, blockIO, hugepageLimits, rdma, unified } = resources;
  const writes = [
    ...(cpu === undefined ? [] : cpuWrites(cpu, now.cpu)),
    ...(memory === undefined ? [] : memoryWrites(memory, now.memory)),
    ...limitWrites("pids.max", "pids.limit", pids?.limit),
    ...(blockIO === undefined ? [] : ioWrites(blockIO)),
    ...(hugepageLimits === undefined ? [] : hugepageWrites(hugepageLimits)),
    ...(rdma === undefined ? [] : rdmaWrites(rdma)),
    ...(unified === undefined ? [] : unifiedWrites(unified)),
  ];
  if (writes.length <= MAX_WRITES) return writes;
  throw new AgentError(
    "invalid-argument",
    `OCI spec: linux.resources has ${writes.length} limits, more than ${MAX_WRITES}`,
  );
}

/**
 * Limits the pages in use and, if the kernel has the file (since 5.7), the pages reserved by mmap. Hosts send every
 * page size that they have themselves.
 */
function hugepageWrites(limits: NonNullable<ResourcesSpec["hugepageLimits"]>): CgroupWrite[] {
  return limits.flatMap(({ pageSize, limit }): CgroupWrite[] => {
    if (!/^[1-9]\d{0,5}[KMG]B$/.test(pageSize)) {
      throw refuseResource("hugepageLimits", `pageSize ${JSON.stringify(pageSize)} is not a size such as "2MB"`);
    }
    const value = String(limit);
    return [
      { file: `hugetlb.${pageSize}.max`, value, field: "hugepageLimits", skipOn: ["ENOENT"] },
      { file: `hugetlb.${pageSize}.rsvd.max`, value, field: "hugepageLimits", optional: true },
    ];
  });
}

function rdmaWrites(rdma: NonNullable<ResourcesSpec["rdma"]>): CgroupWrite[] {
  return Object.entries(rdma).map(([device, { hcaHandles, hcaObjects }]) => {
    if (!/^[\w.-]{1,64}$/.test(device)) throw refuseResource("rdma", `${JSON.stringify(device)} is not a device name`);
    const limits = [
      ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
      ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`]),
    ];
    if (limits.length === 0) throw refuseResource(`rdma.${device}`, "has neither hcaHandles nor hcaObjects");
    return { file: "rdma.max", value: [device, ...limits].join(" "), field: `rdma.${device}` };
  });
}
