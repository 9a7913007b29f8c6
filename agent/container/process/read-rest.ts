import type { Fd, Sys } from "../../kernel/kernel.ts";

/**
 * Most bytes read from a terminal after the grace period: FIONREAD counts the line discipline only, and some 20 KiB
 * wait behind it.
 */
export const MAX_LEFT_IN_TERMINAL = 64 * 1024;

/** Returns how many bytes are in a pipe; if the kernel doesn't say, the most that a terminal may hold. */
export function leftIn(sys: Pick<Sys, "readable">, fd: Fd): number {
  try {
    return sys.readable(fd);
  } catch {
    return MAX_LEFT_IN_TERMINAL;
  }
}

/**
 * Reads all that a terminal has, which returns at most 4 KiB at a time, so that the host need not request each part.
 */
export function readTerminal(sys: Sys, fd: Fd, into: Uint8Array): number {
  let total = 0;
  while (total < into.length) {
    const count = sys.read(fd, into.subarray(total));
    if (count <= 0) return total > 0 ? total : count;
    total += count;
  }
  return total;
}
