import { setTimeout as delay } from "node:timers/promises";
import { SIGTERM } from "../../agent/kernel/constants.ts";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";
import { isAlive, type ProcessOwner } from "../../lib/process-owner.ts";
import { OperationError } from "../operation-error.ts";

/** Sends SIGTERM to a process through a pidfd, so that a later process with the same pid never gets it. */
export function terminateOwner(owner: ProcessOwner): void {
  const { pidfdOpen, pidfdSendSignal, close } = nativeAddon();
  const pidfd = pidfdOpen(owner.pid);
  if (pidfd < 0) return;
  try {
    // The process is older than the pidfd, so the pidfd refers to it.
    if (isAlive(owner)) pidfdSendSignal(pidfd, SIGTERM);
  } finally {
    close(pidfd);
  }
}

/**
 * Time limit in milliseconds: the owner waits ten seconds for a container and thirty for a power-off, then kills them.
 */
const LIMIT_MS = 50_000;
const POLL_MS = 50;

/** Resolves once the guestctl that keeps a guest has exited. Throws OperationError if it doesn't. */
export async function waitForOwner(guest: string, owner: ProcessOwner): Promise<void> {
  for (let waited = 0; isAlive(owner); waited += POLL_MS) {
    if (waited > LIMIT_MS) throw new OperationError(`guest ${guest}: process ${owner.pid} is still running; kill it`);
    await delay(POLL_MS);
  }
}
