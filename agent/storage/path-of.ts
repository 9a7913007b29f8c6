import type { Fd } from "../kernel/kernel.ts";

/** Returns a path to an O_PATH descriptor, for calls that don't take descriptors. */
export const pathOf = (fd: Fd): string => `/proc/self/fd/${fd}`;
