import { writeFileSync } from "node:fs";
import type { Target } from "../../conformance/target/target.ts";
import { chooseTarget } from "./choose-target.ts";
import type { ConformanceFlags } from "./conformance-flags.ts";
import type { SuiteSettings } from "./read-settings.ts";
import { wrongUsage } from "./wrong-usage.ts";

const DIFFER = 1;

/** Runs the suite against two agents and prints the first field that differs of each case. */
export async function compareAgents(
  address: string | undefined,
  agents: readonly string[],
  flags: ConformanceFlags,
  settings: SuiteSettings,
): Promise<void> {
  const { start, guest, json, html, junit, badge } = flags;
  if (agents.length !== 2 || [address, start, guest, junit, badge].some((one) => one !== undefined)) {
    throw wrongUsage(
      "--against: give it twice, without ADDRESS, --start and --guest; the only reports are --html and --json",
    );
  }
  const suite = await import("../../conformance/index.ts");
  const [one, other] = await Promise.all(agents.map((agent) => targetOf(agent, flags)));
  if (one === undefined || other === undefined) return;
  const comparison = suite.compareRuns(
    await suite.runSuite({ ...settings, target: one }),
    await suite.runSuite({ ...settings, target: other }),
  );
  process.stdout.write(suite.comparisonText(comparison));
  if (html !== undefined) writeFileSync(html, suite.comparisonPage(comparison));
  if (json !== undefined) writeFileSync(json, suite.comparisonJson(comparison));
  process.exitCode = suite.isAsExpected(comparison) ? 0 : DIFFER;
}

/** Returns the target of an address, or of a command as for --start. */
function targetOf(agent: string, flags: ConformanceFlags): Promise<Target> {
  return agent.includes("{address}") ? chooseTarget(undefined, { ...flags, start: agent }) : chooseTarget(agent, flags);
}
