import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GROUPS } from "./groups.ts";
import { knownFailureOf, readKnownFailures } from "./known-failures.ts";

const groups = [
  {
    ...{ name: "health", title: "Health" },
    cases: [{ name: "Check: answers", level: "must" as const, source: "x", run: async () => {} }],
  },
];
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "conformance-known-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, "known.yaml");
  writeFileSync(path, content);
  return path;
}

test("reads names with their reasons", () => {
  expect(readKnownFailures(file('"Check: answers": issue 7\n'), groups)).toEqual(
    new Map([["Check: answers", "issue 7"]]),
  );
  expect(readKnownFailures(file("# none\n"), groups)).toEqual(new Map());
});

test.each([
  ['"Check: sings": issue 7', /known\.yaml: no case has the name "Check: sings"; see --list$/],
  ['"Check: answers": ""', /known\.yaml: "Check: answers" has no reason; write one$/],
  ['"Check: answers": 7', /known\.yaml: "Check: answers" has no reason; write one$/],
  ["- Check", /known\.yaml: not a mapping of case names to reasons$/],
])("refuses %j", (content, line) => {
  expect(() => readKnownFailures(file(content), groups)).toThrow(line);
});

test("the list of kata-agent ships with the suite, and its cases exist", () => {
  expect(readKnownFailures("kata-agent", GROUPS).size).toBeGreaterThan(10);
});

test("a case that fails only sometimes may pass", () => {
  const list = new Map([
    ["a", "sometimes: a race"],
    ["b", "never"],
  ]);
  const of = (name: string, state: "passed" | "failed") => knownFailureOf(list, { name, state });
  expect([of("a", "passed"), of("a", "failed"), of("b", "passed"), of("c", "failed")]).toEqual([
    ...[undefined, "sometimes: a race", "never", undefined],
  ]);
});
