import type { Run } from "../results.ts";
import { countStates, failsRun, isConformant } from "../verdict.ts";

/** Version of the format that report.schema.json describes. It only grows. */
const FORMAT = 1;

/** Returns the report as JSON, in the format of report.schema.json. */
export function jsonReport(run: Run): string {
  const report = {
    format: FORMAT,
    conformant: isConformant(run),
    require: run.require,
    ms: Math.round(run.ms),
    environment: run.environment,
    counts: countStates(run.results),
    problems: run.problems,
    cases: run.results.map((result) => ({
      ...result,
      ms: rounded(result.ms),
      fails: failsRun(run, result),
      calls: result.calls.map((call) => ({
        ...call,
        at: rounded(call.at),
        ...(call.ms === undefined ? {} : { ms: rounded(call.ms) }),
      })),
    })),
  };
  return `${JSON.stringify(report, undefined, 1)}\n`;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
