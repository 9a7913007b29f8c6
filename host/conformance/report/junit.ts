import type { CaseResult, Run } from "../results.ts";
import { failsRun } from "../verdict.ts";
import { escapeText } from "./escape.ts";

/** Returns the report as JUnit XML: a suite for each group and protocol. */
export function junitReport(run: Run): string {
  const wanted = run.results.filter(({ state }) => state !== "disabled");
  const suites = Map.groupBy(wanted, ({ group, protocol }) => `${group} over ${protocol}`);
  const failures = wanted.filter((result) => failsRun(run, result)).length + run.problems.length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="conformance" tests="${wanted.length}" failures="${failures}" time="${seconds(run.ms)}">`,
    ...Array.from(suites, ([name, results]) => suite(run, name, results)),
    ...(run.problems.length === 0 ? [] : [problems(run.problems)]),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite(run: Run, name: string, results: readonly CaseResult[]): string {
  const failed = results.filter((result) => failsRun(run, result)).length;
  const left = results.filter((result) => isLeftOut(run, result)).length;
  const time = seconds(results.reduce((sum, { ms }) => sum + ms, 0));
  return [
    `  <testsuite name="${escapeText(name)}" tests="${results.length}" failures="${failed}" skipped="${left}" time="${time}">`,
    ...results.map((result) => testCase(run, name, result)),
    "  </testsuite>",
  ].join("\n");
}

function testCase(run: Run, suiteName: string, result: CaseResult): string {
  const { name, ms, level, state } = result;
  const head = `    <testcase classname="${escapeText(suiteName)}" name="${escapeText(`${name} (${level})`)}" time="${seconds(ms)}"`;
  const text = escapeText(explain(result));
  if (failsRun(run, result)) return `${head}><failure message="${text}" type="${state}"/></testcase>`;
  return isLeftOut(run, result) ? `${head}><skipped message="${text}"/></testcase>` : `${head}/>`;
}

/** True for a case that neither passed nor fails the run. */
function isLeftOut(run: Run, result: CaseResult): boolean {
  return result.state !== "passed" && !failsRun(run, result);
}

function explain({ state, reason, knownFailure, expected, actual }: CaseResult): string {
  if (state === "passed") return `passed, but in the list of known failures: ${knownFailure}`;
  const values = [
    ...(expected === undefined ? [] : [`expected ${JSON.stringify(expected)}`]),
    ...(actual === undefined ? [] : [`got ${JSON.stringify(actual)}`]),
  ];
  const known = knownFailure === undefined ? [] : [`known failure: ${knownFailure}`];
  return [`${state}: ${reason ?? ""}`, ...values, ...known].join("; ");
}

function problems(list: readonly string[]): string {
  const cases = list.map(
    (text) =>
      `    <testcase classname="suite" name="runs"><failure message="${escapeText(text)}" type="problem"/></testcase>`,
  );
  return [
    `  <testsuite name="suite" tests="${list.length}" failures="${list.length}">`,
    ...cases,
    "  </testsuite>",
  ].join("\n");
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
