import { readFileSync } from "node:fs";
import type { Fd } from "../kernel.ts";

/**
 * True for the master of a pty. Asks the kernel about the descriptor, not about its file: the server of another's file system
 * could hold whoever asks for that, and whoever closes it.
 */
export function isPtyMaster(fd: Fd): boolean {
  return /^tty-index:/m.test(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"));
}
