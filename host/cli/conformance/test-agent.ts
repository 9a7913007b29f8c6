import { writeFileSync } from "node:fs";
import type { Run } from "../../conformance/results.ts";
import { StatusLine } from "../output/status-line.ts";
import { chooseTarget } from "./choose-target.ts";
import type { ConformanceFlags } from "./conformance-flags.ts";
import type { SuiteSettings } from "./read-settings.ts";

const FAILED = 1;

/** Tests one agent: prints a line for each case that did not pass, and the summary, and writes the reports. */
export async function testAgent(
  address: string | undefined,
  flags: ConformanceFlags,
  settings: SuiteSettings,
): Promise<void> {
  const { caseLine, isConformant, runSuite, summaryLine } = await import("../../conformance/index.ts");
  const target = await chooseTarget(address, flags);
  using status = new StatusLine();
  let done = 0;
  const run = await runSuite({
    ...settings,
    target,
    onResult(result) {
      if (result.state !== "disabled") status.show(`${++done} ${result.group}: ${result.name}`);
      const line = caseLine(settings.selection, result);
      if (line === undefined) return;
      status.clear();
      process.stdout.write(`${line}\n`);
    },
  });
  status.clear();
  for (const problem of run.problems) process.stdout.write(`PROBLEM  ${problem}\n`);
  process.stdout.write(`${summaryLine(run)}\n`);
  await writeReports(run, flags);
  process.exitCode = isConformant(run) ? 0 : FAILED;
}

async function writeReports(run: Run, flags: ConformanceFlags): Promise<void> {
  const { badge, htmlReport, jsonReport, junitReport } = await import("../../conformance/index.ts");
  const formats = { json: jsonReport, junit: junitReport, html: htmlReport, badge } as const;
  for (const [name, format] of Object.entries(formats)) {
    const file = flags[name as keyof typeof formats];
    if (file !== undefined) writeFileSync(file, format(run));
  }
}
