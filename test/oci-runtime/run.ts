import { parseArgs } from "node:util";
import { textTable } from "../../host/cli/output/text-table.ts";
import { type Comparison, compare } from "./compare.ts";
import type { Outcome } from "./run-program.ts";
import { runSuite } from "./run-suite.ts";
import { buildSuite, whyNoSuite } from "./suite.ts";

const HELP = `Run the validation programs of opencontainers/runtime-tools with guestd, and print what passed and failed.
  --beside NAMES    also run them with these runtimes, such as "runc,crun"
  --at-once N       number of programs at a time, default 3
  --verbose         each program's output when it has failed points
  PROGRAM…          only these
Exit code 1 when a point fails that test/oci-runtime/known-failures.ts doesn't list, or when a listed one passes.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      beside: { type: "string", default: "" },
      "at-once": { type: "string", default: "3" },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean" },
    },
    allowPositionals: true,
  });
  if (values.help) return void process.stdout.write(`${HELP}\n`);
  const why = whyNoSuite();
  if (why !== undefined) throw new Error(why);
  const built = buildSuite();
  const programs = positionals.length > 0 ? positionals : built;
  const runtimes = ["guestd", ...values.beside.split(",").filter(Boolean)];
  const columns: Outcome[][] = [];
  for (const runtime of runtimes) {
    const onOutcome = (outcome: Outcome) => {
      process.stderr.write(`${runtime} ${outcome.program} ${outcome.seconds.toFixed(1)} s\n`);
      if (values.verbose && outcome.failed.length > 0) process.stderr.write(outcome.output);
    };
    columns.push(await runSuite({ programs, runtime, atOnce: Number(values["at-once"]), onOutcome }));
  }
  const comparison = compare(columns[0] ?? []);
  process.stdout.write(`passed/failed/skipped points\n${table(runtimes, columns)}${reasons(comparison)}`);
  if (comparison.unexpected.length + comparison.gone.length > 0) process.exitCode = 1;
}

function table(runtimes: readonly string[], columns: readonly Outcome[][]): string {
  const numbers = ({ passed, failed, skipped }: { passed: number; failed: number; skipped: number }) =>
    `${passed}/${failed}/${skipped}`;
  const rows = (columns[0] ?? []).map(({ program }, row) => [
    program,
    ...columns.map((outcomes) => {
      const outcome = outcomes[row];
      return outcome === undefined ? "" : numbers({ ...outcome, failed: outcome.failed.length });
    }),
  ]);
  const sum = (outcomes: readonly Outcome[], of: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const totals = columns.map((outcomes) =>
    numbers({
      passed: sum(outcomes, ({ passed }) => passed),
      failed: sum(outcomes, ({ failed }) => failed.length),
      skipped: sum(outcomes, ({ skipped }) => skipped),
    }),
  );
  const whole = columns.map(
    (outcomes) => `${outcomes.filter(({ failed }) => failed.length === 0).length} of ${outcomes.length}`,
  );
  return textTable([
    ["program", ...runtimes],
    ...rows,
    ["all points", ...totals],
    ["programs without a failed point", ...whole],
  ]);
}

function reasons({ known, unexpected, gone }: Comparison): string {
  const byReason = Map.groupBy(known, ({ reason }) => reason);
  const lines = [...byReason].map(
    ([reason, entries]) => `  ${[...new Set(entries.map(({ program }) => program))].join(", ")}: ${reason}`,
  );
  return [
    "",
    "Expected failures of guestd:",
    ...lines,
    ...unexpected.map((line) => `UNEXPECTED: ${line}`),
    ...gone.map((line) => `PASSES NOW, remove it from the list: ${line}`),
    "",
  ].join("\n");
}

await main();
