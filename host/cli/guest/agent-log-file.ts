import { setTimeout as delay } from "node:timers/promises";
import { Console } from "../../machine/console.ts";
import { guestLog } from "../../sandbox/guest-log.ts";

/** Milliseconds between connection attempts while the guest's next agent starts. */
const AGAIN_MS = 1000;

/**
 * Copies the agent's log to a file until the signal aborts, so that `logs` can show it after the guest died. Rotates to
 * `FILE.1` after 8 MiB. Never rejects.
 */
export async function keepAgentLog(address: string, file: string, signal: AbortSignal): Promise<void> {
  const log = new Console({ file, lines: 1 });
  while (!signal.aborted) {
    try {
      for await (const line of guestLog(address, signal)) log.add(line);
    } catch {
      // The agent is restarting, or doesn't serve its log.
    }
    await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
