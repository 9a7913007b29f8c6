import type { PlanWriter } from "./plan-encode.ts";

/** Index into the descriptors sent with the launch. */
export type Slot = number;

/** Arguments of sched_setattr(2): the kernel's SCHED_* and SCHED_FLAG_*; times in nanoseconds. */
export interface SchedAttributes {
  readonly policy: number;
  readonly flags: number;
  readonly nice: number;
  readonly priority: number;
  readonly runtime: number;
  readonly deadline: number;
  readonly period: number;
}

/**
 * The kinds of arguments: `letter` is the kind's in PLAN_OPS of agent/native/init/plan.h, which has the bounds that init
 * checks, and `put` encodes a value.
 */
export const KINDS = {
  path: { letter: "p", put: (to: PlanWriter, value: string) => to.string(value) },
  string: { letter: "s", put: (to: PlanWriter, value: string) => to.string(value) },
  /** The field may be missing. */
  optional: { letter: "o", put: (to: PlanWriter, value: string | undefined) => to.optional(value) },
  strings: { letter: "a", put: (to: PlanWriter, value: readonly string[]) => to.strings(value) },
  "some-strings": { letter: "A", put: (to: PlanWriter, value: readonly string[]) => to.strings(value) },
  slot: { letter: "l", put: (to: PlanWriter, value: Slot) => to.u32(value) },
  flag: { letter: "b", put: (to: PlanWriter, value: boolean) => to.u32(value ? 1 : 0) },
  /** Where a path begins: at the guest's root or at the container's. */
  from: { letter: "b", put: (to: PlanWriter, value: "guest" | "root") => to.u32(value === "root" ? 1 : 0) },
  u32: { letter: "u", put: (to: PlanWriter, value: number) => to.u32(value) },
  u64: { letter: "q", put: (to: PlanWriter, value: bigint) => to.u64(value) },
  numbers: { letter: "n", put: (to: PlanWriter, value: readonly number[]) => to.numbers(value) },
  /** One word for each BPF instruction. */
  program: { letter: "P", put: (to: PlanWriter, value: BigUint64Array) => to.data(value) },
  scheduler: { letter: "P", put: (to: PlanWriter, value: SchedAttributes) => to.data(schedAttr(value)) },
  /** Numbers of processors. */
  cpus: { letter: "P", put: (to: PlanWriter, value: readonly number[]) => to.data(cpuMask(value)) },
};

export type Kind = keyof typeof KINDS;
export type ValueOf<K extends Kind> = Parameters<(typeof KINDS)[K]["put"]>[1];

/** Encodes a struct sched_attr of the first version, 48 bytes. */
function schedAttr({ policy, flags, nice, priority, ...times }: SchedAttributes): BigUint64Array {
  const words = new BigUint64Array(6);
  new Uint32Array(words.buffer, 0, 2).set([words.byteLength, policy]);
  words[1] = BigInt(flags);
  new Int32Array(words.buffer, 16, 2).set([nice, priority]);
  words.set([times.runtime, times.deadline, times.period].map(BigInt), 3);
  return words;
}

function cpuMask(cpus: readonly number[]): BigUint64Array {
  const words = new BigUint64Array(Math.floor(Math.max(0, ...cpus) / 64) + 1);
  for (const cpu of cpus) words[Math.floor(cpu / 64)] = (words[Math.floor(cpu / 64)] ?? 0n) | (1n << BigInt(cpu % 64));
  return words;
}
