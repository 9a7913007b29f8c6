/** Share of the guest's memory that each tmpfs of init may take, in hundredths. */
export const TMPFS_SHARES: Readonly<Record<string, number>> = {
  "/dev/shm": 25,
  "/run": 50,
  "/run/guestd": 25,
  "/tmp": 25,
};

const PAGE = 4096;
const points = ["/dev", ...Object.keys(TMPFS_SHARES)];

/** Shell commands that print the memory and the sizes of the file systems, for differingShares. */
export const SHARES_SCRIPT = [
  "grep ^MemTotal /proc/meminfo",
  ...points.map((point) => `stat -f -c 'size:${point}: %b %S' ${point}`),
].join("; ");

/** Returns the memory's pages, by what SHARES_SCRIPT has printed. */
export function memoryPages(printed: string): number {
  return (1024 * Number(/^MemTotal:\s+(\d+) kB/m.exec(printed)?.[1])) / PAGE;
}

/**
 * Returns a line for each file system whose size differs from its share of the memory by more than a page. How the
 * kernel rounds, and whether it prints a size, depends on whether the number of pages is odd.
 */
export function differingShares(printed: string, shares: Readonly<Record<string, number>>): string[] {
  const memory = PAGE * memoryPages(printed);
  return Object.entries(shares).flatMap(([point, share]) => {
    const [, blocks, size] = new RegExp(`^size:${point}: (\\d+) (\\d+)`, "m").exec(printed) ?? [];
    const bytes = Number(blocks) * Number(size);
    const isClose = Math.abs(bytes - (share / 100) * memory) <= PAGE; // false for NaN
    return isClose ? [] : [`${point}: ${bytes} bytes instead of ${share} % of ${memory}`];
  });
}
