import { expect, test } from "vitest";
import { type Report, scores, scoreTable, survivors } from "./score.ts";

const mutant = (status: string, line: number, from: number, to: number, replacement: string) => ({
  status,
  mutatorName: "any",
  replacement,
  location: { start: { line, column: from }, end: { line, column: to } },
});

const report: Report = {
  files: {
    "agent/kernel/a.ts": {
      source: "if (a > b)\n  stop();\n",
      mutants: [
        mutant("Killed", 1, 5, 10, "a < b"),
        mutant("Timeout", 1, 5, 10, "true"),
        mutant("Survived", 1, 5, 10, "a >= b"),
        mutant("Ignored", 1, 5, 10, "false"),
      ],
    },
    "agent/sandbox/b.ts": { source: "stop();", mutants: [mutant("NoCoverage", 1, 1, 8, "")] },
  },
};

test("a mutant counts as noticed when a test fails or doesn't end, and ignored ones don't count", () => {
  const twoThirds = expect.closeTo(66.67, 2);
  expect(scores(report, ["agent/kernel", "agent/sandbox"])).toEqual([
    { folder: "agent/kernel", killed: 1, timedOut: 1, survived: 1, untested: 0, score: twoThirds, ofTested: twoThirds },
    { folder: "agent/sandbox", killed: 0, timedOut: 0, survived: 0, untested: 1, score: 0, ofTested: Number.NaN },
    { folder: "all", killed: 1, timedOut: 1, survived: 1, untested: 1, score: 50, ofTested: twoThirds },
  ]);
  expect(scoreTable(scores(report, []))).toBe(
    "folder  killed  timed out  survived  not run by a test  score   of those that a test runs\n" +
      "all     1       1          1         1                  50.0 %  66.7 %\n",
  );
});

test("each survivor is listed with its place, what stands there and what may stand there", () => {
  expect(survivors(report)).toEqual([
    "agent/kernel/a.ts:1:5  a > b  →  a >= b",
    "agent/sandbox/b.ts:1:1  stop();  →   (no test runs it)",
  ]);
});
