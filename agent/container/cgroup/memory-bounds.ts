const MIB = 2 ** 20;
const PAGE = 4096;

/** Bytes. */
export interface MemoryBounds {
  /** Of all containers together. */
  readonly all: number;
  /** Of one container whose spec sets no memory limit: it leaves the others some. */
  readonly one: number;
}

/**
 * The guest's memory less a reserve for init, the agent and the kernel: 80 MiB and a 32nd of the memory, of which the page structures
 * of memory that is plugged in take half; at most half of the memory. One container gets seven eighths of that, or all but 64 MiB if
 * that is more.
 */
export function memoryBounds(total: number): MemoryBounds {
  const reserve = Math.min(80 * MIB + total / 32, total / 2);
  const all = total - reserve;
  return { all: wholePages(all), one: wholePages(all - Math.min(all / 8, 64 * MIB)) };
}

function wholePages(bytes: number): number {
  return Math.floor(bytes / PAGE) * PAGE;
}
