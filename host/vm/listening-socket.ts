import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "./child.ts";
import { MachineError } from "./machine-error.ts";

/** Time limit in milliseconds for a device program to listen; a loaded host needs a few hundred. */
const LISTEN_MS = 10_000;

/**
 * Waits until a program listens on its unix socket. Reads /proc/net/unix, since the program would take a trial
 * connection for QEMU's and accepts only one.
 */
export async function waitUntilListening(child: Child, socket: string, signal: AbortSignal): Promise<void> {
  const late = AbortSignal.timeout(LISTEN_MS);
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  while (!(await isListening(socket))) {
    if (over) throw await child.failure();
    if (late.aborted) throw new MachineError(`${child.name} did not listen on ${socket} within ${LISTEN_MS / 1000} s`);
    signal.throwIfAborted(); // an aborted delay would give no reason
    await delay(5);
  }
}

/** Lines are `address: refcount protocol flags type state inode path`; flag 0x10000 marks a listening socket. */
async function isListening(socket: string): Promise<boolean> {
  const table = await readFile("/proc/net/unix", "latin1");
  return table.split("\n").some((line) => {
    const [, , , flags, , , , ...path] = line.trim().split(/\s+/);
    return path.join(" ") === socket && (Number.parseInt(flags ?? "0", 16) & 0x10000) !== 0;
  });
}
