import { setTimeout as delay } from "node:timers/promises";
import { isAlive, type ProcessOwner } from "../../lib/process-owner.ts";
import { CliError } from "./cli-error.ts";

/** Milliseconds: a container gets ten seconds to end and a power-off thirty, and the owner kills them then. */
const LIMIT_MS = 50_000;
const LOOK_EVERY_MS = 50;

/** Resolves when the guestctl that keeps a guest has ended. Throws CliError when it does not. */
export async function waitForOwner(guest: string, owner: ProcessOwner): Promise<void> {
  for (let waited = 0; isAlive(owner); waited += LOOK_EVERY_MS) {
    if (waited > LIMIT_MS) throw new CliError(`guest ${guest}: process ${owner.pid} still runs: kill it`);
    await delay(LOOK_EVERY_MS);
  }
}
