import { setTimeout as delay } from "node:timers/promises";
import { Console } from "../machine/console.ts";
import { guestLog } from "../sandbox/guest-log.ts";

/** Milliseconds between attempts: a guest's agent is away while the next one starts. */
const AGAIN_MS = 1000;

/**
 * Writes the agent's log to a file until the signal, as `logs` has nothing else to show of a guest that died. After 8 MiB
 * the file becomes `FILE.1`. Never rejects.
 */
export async function keepAgentLog(address: string, file: string, signal: AbortSignal): Promise<void> {
  const log = new Console({ file, lines: 1 });
  while (!signal.aborted) {
    try {
      for await (const line of guestLog(address, signal)) log.add(line);
    } catch {
      // The agent is away, or has no such port.
    }
    await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
