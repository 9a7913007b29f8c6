import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { badge } from "./badge.ts";
import { differenceLines } from "./difference.ts";
import { htmlReport } from "./html.ts";
import { jsonReport } from "./json.ts";
import { junitReport } from "./junit.ts";
import { caseLine, summaryLine } from "./summary.ts";
import { HOSTILE, sampleRun } from "./testing/sample-run.ts";

const run = sampleRun();

test("the summary is one line", () => {
  expect(summaryLine(run)).toBe(
    "not conformant: 2 passed, 3 failed, 1 skipped, 2 unsupported, 1 disabled; MUST 2/4, SHOULD 0/3, MAY 0/1; " +
      "over ttrpc, seed 7, 1.2 s",
  );
});

test("each case that isn't passed has a line, in capitals if it fails the run", () => {
  const lines = run.results.map((result) => caseLine(run, result));
  expect(lines).toEqual([
    undefined,
    expect.stringMatching(
      /^FAILED {2}must ttrpc {2}WaitProcess: returns the exit code 42: the status differs: expected \{"status":42\}, got \{/,
    ),
    "failed  should ttrpc  GetMetrics: answers: no (known: issue 7)",
    "UNSUPPORTED  must ttrpc  CopyFile: copies: not implemented",
    "unsupported  should ttrpc  AddSwap: adds: not implemented",
    "skipped  should ttrpc  SetPolicy: sets: needs --start",
    undefined,
    "PASSED  must ttrpc  ListRoutes: lists: it is in the list of known failures; remove it from there",
    "failed  may ttrpc  Upgrade: upgrades: no",
  ]);
  for (const line of lines) expect(line ?? "").not.toMatch(/\p{Cc}/u);
});

test("the JSON report is in the format of its schema", () => {
  const schema: object = JSON.parse(readFileSync(join(import.meta.dirname, "report.schema.json"), "utf8"));
  const validate = new Ajv2020.default({ allErrors: true }).compile(schema);
  const report: unknown = JSON.parse(jsonReport(run));
  expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
  expect(report).toMatchObject({
    conformant: false,
    counts: { passed: 2 },
    cases: [{ fails: false }, { fails: true }, {}, {}, {}, {}, {}, {}, {}],
  });
});

test("JUnit XML has a suite for each group, with failures and skipped cases, and escapes what agents send", () => {
  const xml = junitReport(sampleRun({ problems: ["group tty over ttrpc: no agent"] }));
  expect(xml).toContain('<testsuites name="conformance" tests="8" failures="4" time="1.234">');
  expect(xml).toContain('<testsuite name="signals over ttrpc" tests="1" failures="1" skipped="0" time="0.002">');
  expect(xml).toContain(
    'name="SetPolicy: sets (should)" time="0.002"><skipped message="skipped: needs --start"/></testcase>',
  );
  expect(xml).toContain('<failure message="group tty over ttrpc: no agent" type="problem"/>');
  expect(xml).not.toContain("<img");
  expect(xml).not.toContain("\u0007");
});

test("the badge counts the MUSTs", () => {
  expect(badge(run)).toMatch(/^<svg [^>]*aria-label="kata contract: 2\/4 MUST">[\s\S]*#b3261e/);
  expect(badge(sampleRun({ results: run.results.slice(0, 1) }))).toMatch(/1\/1 MUST">[\s\S]*#2e7d32/);
});

test("the page has every case, loads nothing and runs only its own script", () => {
  const html = htmlReport(run);
  expect(html.match(/<details class="case/g)).toHaveLength(run.results.length);
  expect(html).toMatch(/content="default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'"/);
  expect(html).not.toMatch(/\b(src|href)=(?!x onerror)/);
  expect(html).not.toContain(HOSTILE);
  expect(html).not.toContain("<img");
  expect(html).toContain('<span class="line expected">-   &quot;status&quot;: 42</span>');
  expect(html).toContain("<h4>Request</h4><pre>{\n  &quot;container_id&quot;: &quot;c&quot;\n}</pre>");
  expect(html).toContain("connection 1, at 0.5 ms, 2.0 ms");
  expect(html).toContain("<dt>kernel</dt><dd>6.1.0</dd>");
  expect(html).toContain("3 more calls in between");
  expect(html).toContain("open at the end");
});

test("a difference has the lines that both values have, and those of one of them", () => {
  expect(differenceLines({ a: 1, b: 2 }, { a: 1, b: 3, c: 4 })).toEqual([
    { side: "both", text: "{" },
    { side: "both", text: '  "a": 1,' },
    { side: "expected", text: '  "b": 2' },
    { side: "actual", text: '  "b": 3,' },
    { side: "actual", text: '  "c": 4' },
    { side: "both", text: "}" },
  ]);
  expect(differenceLines("one\ntwo\n", "one\n2\n").map(({ side, text }) => `${side} ${text}`)).toEqual([
    ...["both one", "expected two", "actual 2", "both "],
  ]);
});
