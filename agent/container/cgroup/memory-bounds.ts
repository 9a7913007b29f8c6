const MIB = 2 ** 20;
const PAGE = 4096;

/** Memory limits in bytes. */
export interface MemoryBounds {
  /** Limit for all containers together. */
  readonly all: number;
  /** Limit for one container whose spec sets none; leaves some memory for the others. */
  readonly one: number;
}

/**
 * The guest's memory minus a reserve for init, the agent and the kernel: 80 MiB plus 1/32 of the memory (half of that
 * for the page structures of hotplugged memory), but at most half of the memory. One container gets 7/8 of the rest, or
 * all but 64 MiB if that is more. `reserved` bytes are added to the reserve.
 */
export function memoryBounds(total: number, reserved = 0): MemoryBounds {
  const reserve = Math.min(80 * MIB + total / 32 + reserved, total / 2);
  const all = total - reserve;
  return { all: wholePages(all), one: wholePages(all - Math.min(all / 8, 64 * MIB)) };
}

function wholePages(bytes: number): number {
  return Math.floor(bytes / PAGE) * PAGE;
}
