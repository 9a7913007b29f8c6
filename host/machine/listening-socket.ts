import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "./child.ts";
import { MachineError } from "./machine-error.ts";

/** Milliseconds that a device program gets to listen; a loaded machine needs some hundred. */
const LISTEN_MS = 10_000;

/**
 * Waits until a program listens on its unix socket. Found in /proc/net/unix, since a trial connection would be taken for
 * QEMU's, which is the only one that these programs accept.
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
    await delay(5, undefined, { signal });
  }
}

/** Lines are `address: refcount protocol flags type state inode path`; flag 0x10000 is a socket that listens. */
async function isListening(socket: string): Promise<boolean> {
  const table = await readFile("/proc/net/unix", "latin1");
  return table.split("\n").some((line) => {
    const [, , , flags, , , , ...path] = line.trim().split(/\s+/);
    return path.join(" ") === socket && (Number.parseInt(flags ?? "0", 16) & 0x10000) !== 0;
  });
}
