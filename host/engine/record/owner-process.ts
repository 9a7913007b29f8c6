import { setTimeout as delay } from "node:timers/promises";
import { isAlive, isSameProcess, type ProcessOwner } from "../../../lib/process-owner.ts";
import { OperationError } from "../../operation-error.ts";

/**
 * Time limit in milliseconds: the owner waits ten seconds for a container and thirty for a power-off, then kills them.
 */
const LIMIT_MS = 50_000;
const POLL_MS = 50;

/**
 * Resolves once the guestctl that keeps a guest or serves a container has done all its part: it has exited, or `owner` returns
 * another process. Throws OperationError if it doesn't.
 */
export async function waitForOwner(name: string, owner: () => ProcessOwner | undefined): Promise<void> {
  const first = owner();
  if (first === undefined) return;
  for (let waited = 0; isAlive(first) && isSameProcess(owner(), first); waited += POLL_MS) {
    if (waited > LIMIT_MS) throw new OperationError(`${name}: process ${first.pid} still keeps it; kill that process`);
    await delay(POLL_MS);
  }
}
