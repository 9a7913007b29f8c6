import { AgentError } from "../kernel/error.ts";
import type { ResourcesSpec } from "./spec.ts";

/** One write to a file of a cgroup v2 directory. */
export interface CgroupWrite {
  readonly file: string;
  readonly value: string;
  /** The limit holds without the file as well (swap limits on a kernel without swap accounting): a missing one is fine. */
  readonly optional?: true;
}

/**
 * The writes that set the limits, in the order in which the kernel takes them best: placement, shares of the processor,
 * swap before memory (a lowered memory.max can then push pages out only as far as the new swap limit allows), tasks.
 * Zero means "not given", as protobuf can't tell them apart; -1 is unlimited.
 */
export function resourceWrites(resources: ResourcesSpec): CgroupWrite[] {
  const { cpu = {}, memory = {}, pids = {} } = resources;
  const writes: CgroupWrite[] = [];
  const put = (file: string, value: string | undefined) => {
    if (value !== undefined) writes.push({ file, value });
  };
  put("cpuset.mems", textOrNothing(cpu.mems));
  put("cpuset.cpus", textOrNothing(cpu.cpus));
  put("cpu.weight", cpu.shares ? String(cpuWeight(cpu.shares)) : undefined);
  put("cpu.max", cpuMax(cpu.quota ?? 0, cpu.period ?? 0));
  const swap = swapLimit(memory.limit ?? 0, memory.swap ?? 0);
  if (swap !== undefined) {
    writes.push({ file: "memory.swap.max", value: swap, ...(/^(0|max)$/.test(swap) ? { optional: true } : {}) });
  }
  put("memory.low", limit("memory.reservation", memory.reservation));
  put("memory.max", limit("memory.limit", memory.limit));
  put("pids.max", limit("pids.limit", pids.limit));
  return writes;
}

/**
 * cpu.weight (1–10000, 100 is usual) for cpu.shares (2–262144, 1024 is usual). The log-quadratic formula of runc ≥ 1.3.2
 * and crun ≥ 1.23: 2 → 1, 1024 → 100, 262144 → 10000. The older linear one made 39 of the usual 1024.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

function cpuMax(quota: number, period: number): string | undefined {
  if (quota === 0 && period === 0) return undefined;
  return `${quota > 0 ? quota : "max"} ${period === 0 ? 100_000 : period}`;
}

/** `swap` of the spec is memory and swap together; cgroup v2 has a limit for swap alone. */
function swapLimit(memory: number, swap: number): string | undefined {
  if (swap === 0) return memory === -1 ? "max" : undefined;
  if (swap === -1) return "max";
  if (memory <= 0) throw refuse("memory.swap", swap, "needs a memory.limit");
  if (swap < memory)
    throw refuse("memory.swap", swap, `is less than memory.limit ${memory}; it counts memory and swap together`);
  return String(swap - memory);
}

function limit(name: string, value = 0): string | undefined {
  if (value === 0) return undefined;
  if (value < -1) throw refuse(name, value, "is negative; -1 is unlimited");
  return value === -1 ? "max" : String(value);
}

function textOrNothing(text = ""): string | undefined {
  return text === "" ? undefined : text;
}

function refuse(name: string, value: number, why: string): AgentError {
  return new AgentError("invalid-argument", `OCI spec: linux.resources.${name} ${value} ${why}`);
}
