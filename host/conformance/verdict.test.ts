import { expect, test } from "vitest";
import { sampleRun } from "./report/testing/sample-run.ts";
import { countLevel, countStates, failsRun, isConformant } from "./verdict.ts";

const failing = (require: "must" | "should" | "may") => {
  const run = sampleRun({ require });
  return run.results.filter((result) => failsRun(run, result)).map(({ name }) => name.split(":")[0]);
};

test("a failed case of a required level, an unsupported MUST and a known failure that passes fail the run", () => {
  expect(failing("must")).toEqual(["WaitProcess", "CopyFile", "ListRoutes"]);
  expect(failing("may")).toEqual(["WaitProcess", "CopyFile", "ListRoutes", "Upgrade"]);
});

test("a run is conformant if nothing fails it and no problem occurred outside of cases", () => {
  const passed = sampleRun().results.slice(0, 1);
  expect(isConformant(sampleRun())).toBe(false);
  expect(isConformant(sampleRun({ results: passed }))).toBe(true);
  expect(isConformant(sampleRun({ results: passed, problems: ["no agent"] }))).toBe(false);
});

test("counts states, and of each level what passed of what was wanted", () => {
  const { results } = sampleRun();
  expect(countStates(results)).toEqual({ passed: 2, failed: 3, skipped: 1, unsupported: 2, disabled: 1 });
  expect(countLevel(results, "must")).toEqual({ passed: 2, of: 4 });
  expect(countLevel(results, "may")).toEqual({ passed: 0, of: 1 });
});
