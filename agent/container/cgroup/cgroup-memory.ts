import { AgentError } from "../../kernel/error.ts";
import { type CgroupWrite, limitWrites, refuseResource } from "./cgroup-write.ts";
import type { MemorySpec } from "./resources-spec.ts";

export const SWAP_FILE = "memory.swap.max";

/**
 * Returns the memory writes, swap first: lowering memory.max can then only swap out as much as the new swap limit
 * allows. The reservation goes to memory.low, as in runc and crun.
 */
export function memoryWrites(memory: MemorySpec, now: MemorySpec = {}): CgroupWrite[] {
  return [
    ...swapWrites(memory, now),
    ...limitWrites("memory.low", "memory.reservation", memory.reservation),
    ...limitWrites("memory.max", "memory.limit", memory.limit),
  ];
}

/**
 * Throws if checkBeforeUpdate is set and a new limit isn't above the current usage. `read` returns the text of a file
 * of the cgroup, or undefined if the file doesn't exist.
 */
export function checkMemoryUse(memory: MemorySpec, read: (file: string) => string | undefined): void {
  if (memory.checkBeforeUpdate !== true) return;
  const { limit = 0, swap = 0 } = memory;
  const used = Number(read("memory.current") ?? 0);
  const together = used + Number(read("memory.swap.current") ?? 0);
  const refuse = (field: string, value: number, inUse: number) =>
    new AgentError("failed-precondition", `linux.resources.memory.${field} ${value} is not above the ${inUse} in use`);
  if (limit > 0 && limit <= used) throw refuse("limit", limit, used);
  if (swap > 0 && swap <= together) throw refuse("swap", swap, together);
}

/** The spec's `swap` is memory and swap together; cgroup v2 limits swap alone. */
function swapWrites(memory: MemorySpec, now: MemorySpec): CgroupWrite[] {
  const value = swapLimit(memory.limit || now.limit || 0, memory.swap ?? 0, memory.limit === -1);
  if (value === undefined) return [];
  const field = memory.swap ? "memory.swap" : "memory.limit";
  return [swapWrite(value, field)];
}

/** Without swap accounting, "0" and "max" hold anyway, so the file may be missing. */
export function swapWrite(value: string, field: string): CgroupWrite {
  return { file: SWAP_FILE, value, field, ...(/^(0|max)$/.test(value) ? { optional: true } : {}) };
}

function swapLimit(limit: number, swap: number, unlimited: boolean): string | undefined {
  if (swap === 0) return unlimited ? "max" : undefined;
  if (swap === -1) return "max";
  if (swap < -1) throw refuseResource("memory.swap", `${swap} is negative; -1 is unlimited`);
  if (limit <= 0) throw refuseResource("memory.swap", `${swap} needs a memory.limit`);
  if (swap < limit) {
    const why = `is less than memory.limit ${limit}; it counts memory and swap together`;
    throw refuseResource("memory.swap", `${swap} ${why}`);
  }
  return String(swap - limit);
}
