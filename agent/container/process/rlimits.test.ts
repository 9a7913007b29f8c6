import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { rlimitNumber } from "./rlimits.ts";

test.each([
  ["RLIMIT_CPU", 0],
  ["RLIMIT_CORE", 4],
  ["RLIMIT_NPROC", 6],
  ["RLIMIT_NOFILE", 7],
  ["RLIMIT_AS", 9],
  ["RLIMIT_RTTIME", 15],
])("%s is number %i, as in resource.h", (type, number) => {
  expect(rlimitNumber(type)).toBe(number);
});

test("there are as many rlimits as this kernel shows for a process", () => {
  const shown = readFileSync("/proc/self/limits", "utf8").trim().split("\n").length - 1;
  expect(rlimitNumber("RLIMIT_RTTIME") + 1).toBe(shown);
});

test("an unknown rlimit is refused by its name", () => {
  expect(() => rlimitNumber("NOFILE")).toThrow('process.rlimits has an unknown type "NOFILE"');
});
