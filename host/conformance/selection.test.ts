import { expect, test } from "vitest";
import type { CaseGroup, ConformanceCase } from "./case.ts";
import { defaultSelection, isSelected, timeLimitMs } from "./selection.ts";

const one: ConformanceCase = {
  ...{ name: "Check: answers", level: "must", source: "x", since: "3.2.0", run: async () => {} },
};
const group: CaseGroup = { name: "health", title: "Health", cases: [one] };
const all = defaultSelection();

test.each([
  [{}, true],
  [{ levels: ["should"] as const }, false],
  [{ groups: ["heal*"] }, true],
  [{ groups: ["stdio", "tty"] }, false],
  [{ names: ["Check: *"] }, true],
  [{ names: ["check: *"] }, false],
  [{ names: ["Check"] }, false],
  [{ skip: ["*answers"] }, false],
  [{ contract: "3.1.9" }, false],
  [{ contract: "3.2" }, true],
  [{ contract: "10.0.0" }, true],
])("%j selects the case: %s", (parts, expected) => {
  expect(isSelected({ ...all, ...parts }, group, one)).toBe(expected);
});

test("a glob for a case wins over its own time limit, which wins over a shorter one of the run", () => {
  const slow = { ...one, timeLimit: 60 };
  expect(timeLimitMs(all, slow)).toBe(60_000);
  expect(timeLimitMs({ ...all, timeLimit: 90 }, slow)).toBe(90_000);
  expect(timeLimitMs({ ...all, timeLimits: { "Check: *": 1 } }, slow)).toBe(1000);
});
