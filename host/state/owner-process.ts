import { setTimeout as delay } from "node:timers/promises";
import { isAlive, type ProcessOwner } from "../../lib/process-owner.ts";
import { OperationError } from "../operation-error.ts";

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
