import { dial } from "../../host/client/dial.ts";
import type { Guest } from "../../host/machine/guest.ts";

const LIMIT_MS = 10_000;

/** The first line of the agent's log that matches; one that has not come within 10 s is an error. */
export async function logLine(guest: Guest, pattern: RegExp): Promise<string> {
  const log = await dial(guest.address(1025));
  const limit = setTimeout(() => log.destroy(), LIMIT_MS);
  let text = "";
  try {
    for await (const data of log) {
      text += String(data);
      const found = text
        .split("\n")
        .slice(0, -1)
        .find((line) => pattern.test(line));
      if (found !== undefined) return found;
    }
  } finally {
    clearTimeout(limit);
    log.destroy();
  }
  throw new Error(`the agent's log has no line ${pattern}, but ${text.slice(-2000)}`);
}
