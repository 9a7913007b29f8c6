import { expect } from "vitest";
import type { KillCounts } from "./killed-under-load.ts";
import type { Machine } from "./machine.ts";

/**
 * The reasons for which connections were closed at the restarts of an agent, as its log on the console says: one for each that
 * hosts lost. Output may be missing only where one was.
 */
export function closedAsLogged(machine: Machine, counts: KillCounts): readonly string[] {
  const lines = machine.console().matchAll(/"reason":"([^"]+)"[^\n]*"connection closed at the restart of the agent"/g);
  const reasons = Array.from(lines, ([, reason = ""]) => reason);
  expect(reasons.length, `${counts.closed} closed connections; the log: ${machine.console()}`).toBe(counts.closed);
  expect(counts.gaps).toBeLessThanOrEqual(counts.closed);
  return reasons;
}
