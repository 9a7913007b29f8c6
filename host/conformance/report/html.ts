import { createHash } from "node:crypto";
import type { RecordedCall } from "../call-recorder.ts";
import { LEVELS } from "../case.ts";
import { type CaseResult, type Run, STATES } from "../results.ts";
import { countStates, failsRun, isConformant } from "../verdict.ts";
import { differenceLines } from "./difference.ts";
import { escapeText } from "./escape.ts";
import { reportAsset } from "./report-asset.ts";
import { summaryLine } from "./summary.ts";

/** Returns the report as one HTML page that loads nothing. */
export function htmlReport(run: Run): string {
  const [script, style] = [reportAsset("page.js"), reportAsset("page.css")];
  const policy = `default-src 'none'; style-src '${hashOf(style)}'; script-src '${hashOf(script)}'`;
  const groups = Map.groupBy(run.results, ({ group }) => group);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${isConformant(run) ? "Conformant" : "Not conformant"}: ${escapeText(run.environment.agent)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>Conformance with the contract of Kata's agent</h1>
<p class="verdict ${isConformant(run) ? "passed" : "failed"}">${escapeText(summaryLine(run))}</p>
${run.problems.map((text) => `<p class="problem">${escapeText(text)}</p>`).join("\n")}
${environment(run)}
</header>
<nav>
${filter("state", STATES, countStates(run.results))}
${filter("level", LEVELS)}
${filter("group", [...groups.keys()])}
${run.environment.protocols.length > 1 ? filter("protocol", run.environment.protocols) : ""}
<label>Text <input type="search" id="text" placeholder="call or sentence"></label>
<output id="shown"></output>
</nav>
<main>
${run.results.map((result) => caseSection(run, result)).join("\n")}
</main>
<script>${script}</script>
</body>
</html>
`;
}

/** Returns a source of a content security policy that allows exactly this inline text. */
function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

function environment({ environment: facts, require }: Run): string {
  const rows = Object.entries({ ...facts, protocols: facts.protocols.join(", "), require });
  const cells = rows.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(String(value))}</dd>`);
  return `<details><summary>Environment</summary><dl>${cells.join("")}</dl></details>`;
}

function filter(name: string, values: readonly string[], counts: Readonly<Record<string, number>> = {}): string {
  const boxes = values.map((value) => {
    const count = counts[value] === undefined ? "" : ` (${counts[value]})`;
    const checked = value === "disabled" ? "" : " checked";
    return `<label><input type="checkbox" name="${name}" value="${escapeText(value)}"${checked}>${escapeText(value)}${count}</label>`;
  });
  return `<fieldset><legend>${name}</legend>${boxes.join("")}</fieldset>`;
}

function caseSection(run: Run, result: CaseResult): string {
  const { state, level, group, protocol, name, ms, source, reason, knownFailure } = result;
  const marks = failsRun(run, result) ? " fails" : "";
  const known = knownFailure === undefined ? "" : `<p class="known">Known failure: ${escapeText(knownFailure)}</p>`;
  const dropped = result.droppedCalls === 0 ? "" : `<p>${result.droppedCalls} more calls in between</p>`;
  return `<details class="case${marks}" data-state="${state}" data-level="${level}" data-group="${escapeText(group)}" data-protocol="${protocol}">
<summary><span class="state ${state}">${state}</span> <span class="level">${level}</span> <span class="name">${escapeText(name)}</span> <span class="ms">${ms.toFixed(1)} ms</span></summary>
<p class="source">${escapeText(group)} over ${protocol}; rule: ${escapeText(source)}</p>
${reason === undefined ? "" : `<p class="reason">${escapeText(reason)}</p>`}${known}
${difference(result)}
${dropped}${result.calls.map(callSection).join("\n")}
</details>`;
}

function difference({ expected, actual }: CaseResult): string {
  if (expected === undefined && actual === undefined) return "";
  const marks = { both: " ", expected: "-", actual: "+" };
  const lines = differenceLines(expected, actual).map(
    ({ side, text }) => `<span class="line ${side}">${marks[side]} ${escapeText(text)}</span>`,
  );
  return `<p>Expected (-) and actual (+):</p><pre class="difference">${lines.join("\n")}</pre>`;
}

function callSection({ call, connection, at, ms, request, response, error }: RecordedCall): string {
  const answer = error === undefined ? response : error;
  const kind = error === undefined ? "response" : "error";
  const duration = ms === undefined ? "open at the end" : `${ms.toFixed(1)} ms`;
  return `<details class="call ${kind}"><summary>${escapeText(call)} <span class="ms">connection ${connection}, at ${at.toFixed(1)} ms, ${duration}${error === undefined ? "" : `, ${escapeText(error.code)}`}</span></summary>
<h4>Request</h4><pre>${json(request)}</pre>
<h4>${error === undefined ? "Response" : "Error"}</h4><pre>${ms === undefined ? "none yet" : json(answer)}</pre></details>`;
}

function json(value: unknown): string {
  return escapeText(JSON.stringify(value ?? {}, undefined, 2));
}
