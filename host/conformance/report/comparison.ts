import { visibleLine } from "../../visible.ts";
import type { CaseDifference, Comparison } from "../compare-runs.ts";
import { escapeText } from "./escape.ts";
import { reportAsset } from "./report-asset.ts";

/** Longest value in characters. */
const MAX_VALUE = 200;

/** Returns a line for each case that differs, the known failures that are outdated, the problems, and the numbers. */
export function comparisonText({ cases, differences, outdated, problems }: Comparison): string {
  const lines = differences.map((one) => {
    const [a, b] = valuesOf(one);
    return `${one.level} ${one.protocol}  ${one.name}: ${one.field}: A ${a}, B ${b}${knownText(one)}`;
  });
  const passed = outdated.map(
    ({ level, protocol, name }) =>
      `PASSED  ${level} ${protocol}  ${name}: it is in the list of known failures, but passes at both; remove it from there`,
  );
  const failed = problems.map((problem) => `PROBLEM  ${problem}`);
  return [...[...lines, ...passed, ...failed].map(visibleLine), countText({ cases, differences }), ""].join("\n");
}

/** Returns the same as one HTML page that loads nothing. */
export function comparisonPage(comparison: Comparison): string {
  const style = reportAsset("page.css");
  const [a, b] = comparison.agents.map(({ agent }) => escapeText(agent));
  const rows = comparison.differences.map((one) => {
    const cells = [
      ...[one.group, one.level, one.protocol, one.name, one.field],
      ...[...valuesOf(one), one.knownFailure ?? ""],
    ];
    return `<tr>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join("")}</tr>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Two agents compared</title>
<style>${style}</style>
</head>
<body>
<h1>Conformance of two agents</h1>
<p>A: ${a}</p>
<p>B: ${b}</p>
<p>${countText(comparison)}</p>
<table>
<tr><th>group</th><th>level</th><th>protocol</th><th>case</th><th>first field that differs</th><th>A</th><th>B</th><th>known</th></tr>
${rows.join("\n")}
</table>
</body>
</html>
`;
}

function valuesOf({ values }: CaseDifference): readonly string[] {
  return values.map((value) => {
    const text = typeof value === "string" ? value : JSON.stringify(value ?? null).replace(/^null$/, "none");
    return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)} …` : text;
  });
}

function knownText({ knownFailure }: CaseDifference): string {
  return knownFailure === undefined ? "" : ` (known: ${knownFailure})`;
}

function countText({ cases, differences }: Pick<Comparison, "cases" | "differences">): string {
  const known = differences.filter(({ knownFailure }) => knownFailure !== undefined).length;
  return `${differences.length} of ${cases} cases differ${known === 0 ? "" : `, ${known} of them known`}`;
}
