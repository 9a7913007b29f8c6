import { type CompactSettings, NEVER } from "./settings.ts";

/** Free memory of the whole guest. */
export interface FreeMemory {
  readonly pages: number;
  /** Movable pages in blocks below the wanted order. */
  readonly smallPages: number;
}

const KIB_PER_PAGE = 4;
const MOVABLE = /, type +Movable +(.*)$/gm;

/** Reads /proc/meminfo and /proc/pagetypeinfo. The kernel prints ">100000" for a count at which it stopped. */
export function freeMemory(meminfo: string, pagetypeinfo: string, order: number): FreeMemory {
  const kib = Number(/^MemFree: +(\d+) kB$/m.exec(meminfo)?.[1] ?? 0);
  let smallPages = 0;
  for (const [, counts = ""] of pagetypeinfo.matchAll(MOVABLE)) {
    for (const [at, count] of counts.trim().split(/ +/).slice(0, order).entries()) {
      smallPages += Number(count.replace(">", "")) * 2 ** at;
    }
  }
  return { pages: Math.floor(kib / KIB_PER_PAGE), smallPages };
}

/**
 * True if compaction is worthwhile. `last` is the state after the last compaction, `without` the number of periods
 * since.
 */
export function shouldCompact(
  now: FreeMemory,
  last: FreeMemory,
  without: number,
  { compactThreshold, compactForceTimes }: CompactSettings,
): boolean {
  if (compactForceTimes < NEVER && without >= compactForceTimes) return true;
  if (last.pages > now.pages + compactThreshold) return true;
  return now.smallPages > last.smallPages + compactThreshold;
}
