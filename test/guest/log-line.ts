import type { Guest } from "../../host/machine/guest.ts";
import { openAgentLog } from "./agent-log.ts";

/** The first line of the agent's log that matches; one that has not come within 10 s is an error. */
export async function logLine(guest: Guest, pattern: RegExp): Promise<string> {
  await using log = await openAgentLog(guest);
  return await log.find((line) => (pattern.test(line) ? line : undefined));
}
