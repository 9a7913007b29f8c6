import { parseCpuList } from "../process/cpu-list.ts";
import { type CgroupWrite, refuseResource } from "./cgroup-write.ts";
import type { CpuSpec } from "./resources-spec.ts";

const DEFAULT_PERIOD = 100_000;

/** Returns the writes for placement, then those for CPU shares and bandwidth. */
export function cpuWrites(cpu: CpuSpec, now: CpuSpec = {}): CgroupWrite[] {
  const { idle, cpus = "", mems = "", shares = 0 } = cpu;
  if (idle !== undefined && idle !== 0 && idle !== 1) throw refuseResource("cpu.idle", `${idle} is neither 0 nor 1`);
  const idling = idle === undefined ? [] : [{ file: "cpu.idle", value: String(idle), field: "cpu.idle" }];
  const weight = shares === 0 ? [] : [{ file: "cpu.weight", value: String(cpuWeight(shares)), field: "cpu.shares" }];
  return [
    ...placement("cpuset.mems", "cpu.mems", mems),
    ...placement("cpuset.cpus", "cpu.cpus", cpus),
    // An idle cgroup refuses a weight.
    ...(idle === 1 ? [...weight, ...idling] : [...idling, ...weight]),
    ...bandwidth(cpu, now),
  ];
}

/**
 * cpu.weight (1–10000, default 100) for cpu.shares (2–262144, default 1024), by the log-quadratic formula of runc ≥
 * 1.3.2 and crun ≥ 1.23: 2 → 1, 1024 → 100, 262144 → 10000. The older linear formula, 1 + (shares - 2) * 9999 / 262142,
 * maps the default of 1024 to 39, so a container with explicit default shares gets less CPU than one without; crun 1.8
 * still uses it.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

/** A burst may never exceed the quota: the old burst is cleared first, and the new one is written last. */
function bandwidth({ quota = 0, period = 0, burst }: CpuSpec, now: CpuSpec): CgroupWrite[] {
  const max =
    quota === 0 && period === 0
      ? []
      : [{ file: "cpu.max", value: cpuMax(quota, period, now), field: quota === 0 ? "cpu.period" : "cpu.quota" }];
  if (burst === undefined) return max;
  const last = { file: "cpu.max.burst", value: String(burst), field: "cpu.burst" };
  return max.length === 0 || burst === 0 ? [last, ...max] : [{ ...last, value: "0" }, ...max, last];
}

function cpuMax(quota: number, period: number, now: CpuSpec): string {
  const inForce = (quota === 0 ? now.quota : quota) ?? 0;
  return `${inForce > 0 ? inForce : "max"} ${period || now.period || DEFAULT_PERIOD}`;
}

/** Errors for the number of a CPU or memory node that the guest doesn't have. */
const LACKING = ["EINVAL", "ERANGE", "EOVERFLOW", "ENOSPC"];

/** Writes a list such as "0-3,8"; the kernel checks which CPUs or nodes exist. */
function placement(file: string, field: string, list: string): CgroupWrite[] {
  if (list === "") return [];
  const numbers = parseCpuList(list) ?? [];
  if (numbers.length === 0) throw refuseResource(field, `${JSON.stringify(list)} is not a list such as "0-3,8"`);
  return [{ file, value: list, field, skipOn: LACKING }];
}
