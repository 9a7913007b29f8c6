import { setTimeout as sleep } from "node:timers/promises";
import type { Machine } from "../scenarios/machine.ts";

export const HEADER = [
  "",
  "agent fds",
  "init fds",
  "mounts",
  "cgroups",
  "processes",
  "agent private dirty KiB",
  "init private dirty KiB",
];
/** Columns above that may grow by a share of their value at half-time, due to uncollected garbage. */
const MEMORY_COLUMNS = new Map([
  [5, 0.15],
  [6, 0.05],
]);

const SETTLE_MS = 2000;
/** Counts processes with memory, and zombies: not the threads of the kernel, which starts more of them under load. */
const PROCESSES = "set -- $(grep -lsE '^VmSize:|^State:[[:space:]]+Z' /proc/[0-9]*/status); echo $#";
const SHELL = [
  "agent=$(pidof node | tr ' ' '\\n' | sort -n | head -1)",
  "for pid in $agent 1; do ls /proc/$pid/fd | wc -l; done",
  "wc -l < /proc/1/mounts",
  "find /sys/fs/cgroup -type d | wc -l",
  PROCESSES,
  "for pid in $agent 1; do awk '/^Private_Dirty/ {print $2}' /proc/$pid/smaps_rollup; done",
].join("; ");

/** Returns the current values of HEADER's columns for init and the agent. */
export async function figuresOf(machine: Machine): Promise<number[]> {
  await sleep(SETTLE_MS);
  const text = await machine.shell(SHELL);
  const numbers = text.trim().split(/\s+/).map(Number);
  if (numbers.length !== HEADER.length - 1 || numbers.some(Number.isNaN)) throw new Error(`soak: figures: ${text}`);
  return numbers;
}

/** Returns a line for each value that is larger at the end than at half-time (memory: by more than its share). */
export function whatGrew(figures: readonly (readonly number[])[]): string[] {
  const middle = figures[Math.floor(figures.length / 2)] ?? [];
  return middle.flatMap((before, column) => {
    const after = figures.at(-1)?.[column] ?? Number.NaN;
    const allowed = before * (1 + (MEMORY_COLUMNS.get(column) ?? 0));
    return after <= allowed ? [] : [`${HEADER[column + 1]}: ${before} at half-time, ${after} at the end`];
  });
}
