import { expect, test } from "vitest";
import { compare } from "./compare.ts";
import { judge, type Outcome } from "./run-program.ts";

const HEAD = "TAP version 13\n";

function outcome(stdout: string, code = 0, stderr = ""): Outcome {
  return { ...judge("one", stdout, stderr, code), seconds: 1, output: stdout };
}

test("judge counts points, and adds the text of its block to a failed one", () => {
  const block = '  ---\n  {\n    "error": "exit status 1",\n    "stderr": "why\\n"\n  }\n  ...\n';
  expect(outcome(`${HEAD}ok 1 - a\nnot ok 2 - b\n${block}ok 3 # SKIP c\nnot ok 4 # TODO d\n1..4\n`)).toMatchObject({
    passed: 1,
    skipped: 2,
    failed: [{ point: "b", detail: "exit status 1: why" }],
  });
});

test("judge ignores points inside a block, which are the container's output", () => {
  const quoted = `  ---\n  {\n    "stdout": "x"\nnot ok 1 - inner\n  }\n  ...\n`;
  expect(outcome(`${HEAD}ok 1 - a\n${quoted}1..1\n`)).toMatchObject({ passed: 1, failed: [] });
});

test.each([
  ["an exit code", HEAD, 1, "boom", "exit code 1: boom"],
  ["a block without a point", `${HEAD}  ---\n  {\n    "error": "order"\n  }\n  ...\n1..0\n`, 0, "", "order"],
  ["output without its last line", `${HEAD}ok 1 - a\n`, 0, "", "ended before its last point"],
  ["missing points", `${HEAD}ok 1 - a\n1..2\n`, 0, "", "1 points of 2"],
  ["a time limit", HEAD, 124, "", "did not end within 120 s"],
])("judge reports %s as a failure of the program", (_name, stdout, code, stderr, detail) => {
  expect(outcome(stdout, code, stderr).failed).toEqual([{ point: "(program)", detail }]);
});

test("judge counts a successful program without points as one pass", () => {
  expect(outcome(`${HEAD}1..0\n`)).toMatchObject({ passed: 1, failed: [] });
});

test("compare reports both a failure that isn't listed and a listed one that is gone", () => {
  const outcomes = [outcome(`${HEAD}not ok 1 - new thing\nnot ok 2 - old thing\n1..2\n`)];
  const known = [
    { program: "one", point: "old", reason: "r" },
    { program: "one", point: "fixed", reason: "r" },
    { program: "one", point: "elsewhere", reason: "r", when: () => false },
    { program: "did-not-run", reason: "r" },
  ];
  expect(compare(outcomes, known)).toEqual({ unexpected: ["one: new thing"], gone: ["one: fixed"], known: [known[0]] });
});
