import { expect } from "vitest";
import type { KillCounts } from "./killed-under-load.ts";
import type { Machine } from "./machine.ts";

/**
 * Returns the reasons for closed connections that the agent logged on the console at its restarts. Expects one for each
 * connection that hosts lost, and missing output only where a connection was lost.
 */
export function closedAsLogged(machine: Machine, counts: KillCounts): readonly string[] {
  const lines = machine.console().matchAll(/"reason":"([^"]+)"[^\n]*"connection closed at the restart of the agent"/g);
  const reasons = Array.from(lines, ([, reason = ""]) => reason);
  expect(reasons.length, `${counts.closed} closed connections; the log: ${machine.console()}`).toBe(counts.closed);
  expect(counts.gaps).toBeLessThanOrEqual(counts.closed);
  return reasons;
}
