import type { Counts } from "../syscalls/count-calls.ts";

/** Makes strace print the table that `parseSummary` reads. */
export const SUMMARY = ["-c", "-U", "name,calls"] as const;

/** Parses the table of `strace -c -U name,calls`: number of calls by name. */
export function parseSummary(text: string): Counts {
  const rows = Array.from(text.matchAll(/^(\w+) +(\d+)$/gm), ([, name = "", calls]) => [name, Number(calls)] as const);
  return new Map(rows.filter(([name]) => name !== "total"));
}

/** Adds up the counts of several programs or runs. */
export function addCounts(all: readonly Counts[]): Counts {
  const sum = new Map<string, number>();
  for (const [name, calls] of all.flatMap((counts) => [...counts])) sum.set(name, (sum.get(name) ?? 0) + calls);
  return sum;
}

/** Formats counts as "futex 12, read 3", the most frequent first. */
export function countsText(counts: Counts): string {
  const sorted = [...counts].sort(([a, some], [b, others]) => others - some || (a < b ? -1 : 1));
  return sorted.map(([name, calls]) => `${name} ${calls}`).join(", ");
}
