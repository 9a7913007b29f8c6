import type { grpc } from "../../proto/gen/messages.js";
import type {
  BlockIoSpec,
  CpuSpec,
  DeviceCgroupSpec,
  MemorySpec,
  ResourcesSpec,
} from "../container/cgroup/resources-spec.ts";
import { given } from "./given.ts";

/** Converts grpc.LinuxResources to the names of the OCI runtime spec. Fields that aren't set are absent. */
export function toResources(resources: grpc.LinuxResources | null | undefined): ResourcesSpec {
  if (resources === null || resources === undefined) return {};
  const { Memory, CPU, Pids, BlockIO, HugepageLimits, Rdma, Unified, Devices } = resources;
  return {
    ...(Memory === null ? {} : { memory: toMemory(Memory) }),
    ...(CPU === null ? {} : { cpu: toCpu(CPU) }),
    ...(Pids === null ? {} : { pids: { limit: Pids.Limit } }),
    ...(BlockIO === null ? {} : { blockIO: toBlockIo(BlockIO) }),
    ...(HugepageLimits.length === 0
      ? {}
      : { hugepageLimits: HugepageLimits.map(({ Pagesize, Limit }) => ({ pageSize: Pagesize, limit: Limit })) }),
    ...(Object.keys(Rdma).length === 0 ? {} : { rdma: toRdma(Rdma) }),
    ...(Object.keys(Unified).length === 0 ? {} : { unified: Unified }),
    ...(Devices.length === 0 ? {} : { devices: Devices.map(toDeviceRule) }),
  };
}

/** Returns the OCI names of set fields that cgroup v2 has no equivalent for. crun refuses the same ones. */
export function unsupportedOfResources(resources: grpc.LinuxResources | null | undefined): string[] {
  const { Memory: memory, CPU: cpu, BlockIO: io, Network: network } = resources ?? {};
  return given({
    "linux.resources.memory.kernel": memory?.Kernel,
    "linux.resources.memory.kernelTCP": memory?.KernelTCP,
    "linux.resources.memory.swappiness": memory?.Swappiness,
    "linux.resources.memory.disableOOMKiller": memory?.DisableOOMKiller,
    "linux.resources.memory.useHierarchy false": memory?.UseHierarchy === false,
    "linux.resources.cpu.realtimeRuntime": cpu?.RealtimeRuntime,
    "linux.resources.cpu.realtimePeriod": cpu?.RealtimePeriod,
    "linux.resources.blockIO.leafWeight": io?.LeafWeight,
    "linux.resources.blockIO.weightDevice leafWeight": io?.WeightDevice.filter(({ LeafWeight }) => LeafWeight !== 0),
    "linux.resources.network.classID": network?.ClassID,
    "linux.resources.network.priorities": network?.Priorities,
  });
}

function toMemory(memory: grpc.LinuxMemory): MemorySpec {
  const { Limit: limit, Reservation: reservation, Swap: swap, CheckBeforeUpdate: check } = memory;
  return { limit, reservation, swap, ...(check ? { checkBeforeUpdate: true } : {}) };
}

function toCpu(cpu: grpc.LinuxCPU): CpuSpec {
  return {
    shares: cpu.Shares,
    quota: cpu.Quota,
    period: cpu.Period,
    cpus: cpu.Cpus,
    mems: cpu.Mems,
    ...(cpu.Burst === null ? {} : { burst: cpu.Burst }),
    ...(cpu.Idle === null ? {} : { idle: cpu.Idle }),
  };
}

function toBlockIo(io: grpc.LinuxBlockIO): BlockIoSpec {
  const throttle = (list: readonly grpc.LinuxThrottleDevice[]) =>
    list.map(({ Major, Minor, Rate }) => ({ major: Major, minor: Minor, rate: Rate }));
  return {
    weight: io.Weight,
    weightDevice: io.WeightDevice.map(({ Major, Minor, Weight }) => ({ major: Major, minor: Minor, weight: Weight })),
    throttleReadBpsDevice: throttle(io.ThrottleReadBpsDevice),
    throttleWriteBpsDevice: throttle(io.ThrottleWriteBpsDevice),
    throttleReadIOPSDevice: throttle(io.ThrottleReadIOPSDevice),
    throttleWriteIOPSDevice: throttle(io.ThrottleWriteIOPSDevice),
  };
}

function toRdma(rdma: Readonly<Record<string, grpc.LinuxRdma>>): NonNullable<ResourcesSpec["rdma"]> {
  const entries = Object.entries(rdma).map(([name, { HcaHandles, HcaObjects }]) => [
    name,
    {
      ...(HcaHandles === null ? {} : { hcaHandles: HcaHandles }),
      ...(HcaObjects === null ? {} : { hcaObjects: HcaObjects }),
    },
  ]);
  return Object.fromEntries(entries);
}

/**
 * Converts a device rule. The message can't distinguish an absent number from 0. No device that can be opened has major 0, so that
 * means "all"; minor 0 with a real major is the number 0, and -1 means "all". Type and access default to "a" and "rwm".
 */
function toDeviceRule({ Allow, Type, Major, Minor, Access }: grpc.LinuxDeviceCgroup): DeviceCgroupSpec {
  const allMajors = Major <= 0;
  return {
    allow: Allow,
    type: Type || "a",
    ...(allMajors ? {} : { major: Major }),
    ...(Minor < 0 || (allMajors && Minor === 0) ? {} : { minor: Minor }),
    access: Access || "rwm",
  };
}
