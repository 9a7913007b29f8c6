import { type CompactSettings, NEVER } from "./settings.ts";

/** Of the whole guest. */
export interface FreeMemory {
  readonly pages: number;
  /** Those that are in blocks below the order that is wanted, and can be moved together. */
  readonly smallPages: number;
}

const KIB_PER_PAGE = 4;
const MOVABLE = /, type +Movable +(.*)$/gm;

/** From /proc/meminfo and /proc/pagetypeinfo, where a count that the kernel gave up at is ">100000". */
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

/** Whether it is worth the work: `last` is after the last one, `without` how many periods have passed without. */
export function isToBeCompacted(
  now: FreeMemory,
  last: FreeMemory,
  without: number,
  { compactThreshold, compactForceTimes }: CompactSettings,
): boolean {
  if (compactForceTimes < NEVER && without >= compactForceTimes) return true;
  if (last.pages > now.pages + compactThreshold) return true;
  return now.smallPages > last.smallPages + compactThreshold;
}
