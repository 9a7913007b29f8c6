import type { Guest } from "../../../host/vm/guest.ts";
import { openAgentLog } from "./agent-log.ts";

/** Returns the first matching line of the agent's log. Rejects if none appears within 50 s. */
export async function logLine(guest: Guest, pattern: RegExp): Promise<string> {
  await using log = await openAgentLog(guest);
  return await log.find((line) => (pattern.test(line) ? line : undefined));
}
