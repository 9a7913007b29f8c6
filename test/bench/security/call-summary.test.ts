import { expect, test } from "vitest";
import { addCounts, countsText, parseSummary } from "./call-summary.ts";

const SUMMARY = `strace: Process 12 detached
syscall               calls
---------------- ----------
futex                    12
read                      3
pread64                   3
---------------- ----------
total                    18
`;

test("reads the calls of strace's summary without its heading, total and messages", () => {
  expect(Object.fromEntries(parseSummary(SUMMARY))).toEqual({ futex: 12, read: 3, pread64: 3 });
  expect([...parseSummary("")]).toEqual([]);
});

test("adds up the calls of several summaries and prints the most frequent first", () => {
  const sum = addCounts([parseSummary(SUMMARY), new Map([["read", 20]])]);
  expect(countsText(sum)).toBe("read 23, futex 12, pread64 3");
});
