import fs, { mkdtempSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { SpoolFile, SPOOL_STEP_BYTES as STEP } from "./spool-file.ts";
import { SpoolTimes } from "./spool-times.ts";

const directory = mkdtempSync(join(tmpdir(), "spool-"));
let count = 0;
const newPath = () => join(directory, String(++count));
const full = () => {
  vi.spyOn(fs, "writeSync").mockImplementation(() => {
    throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
  });
  syncBuiltinESMExports();
};
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});
afterAll(() => rmSync(directory, { recursive: true }));

test("a spool's file grows as it is used, up to its capacity", () => {
  const file = new SpoolFile(newPath());
  expect([file.grow(0, 3 * STEP), file.roomAt(0)]).toEqual([3 * STEP, STEP]);
  expect([file.grow(STEP - 1, 3 * STEP), file.roomAt(0)]).toEqual([3 * STEP, STEP]);
  for (const offset of [STEP, 2 * STEP, 3 * STEP, 4 * STEP]) file.grow(offset, 3 * STEP);
  expect(file.roomAt(STEP)).toBe(2 * STEP);
  file.close();
});

test("without memory a spool's file stays as it is, and so small is its capacity", () => {
  const path = newPath();
  const file = new SpoolFile(path);
  file.grow(0, 4 * STEP);
  full();
  expect(file.grow(STEP, 4 * STEP)).toBe(STEP);
  const other = new SpoolFile(newPath());
  expect(other.grow(0, 4 * STEP)).toBe(0);
  vi.restoreAllMocks();
  const again = new SpoolFile(path);
  expect(again.roomAt(0)).toBe(STEP);
  for (const each of [file, other, again]) each.close();
});

test("times are found by offset and by time, also by the next agent, and only the last 4096 are kept", () => {
  const path = newPath();
  const times = new SpoolTimes(path);
  expect([times.at(0), times.since(0)]).toEqual([undefined, undefined]);
  expect(times.note(0, 1000)).toBe(0);
  times.note(5, 1009); // the same moment
  times.note(10, 1010);
  expect([times.at(0), times.at(9), times.at(10)]).toEqual([
    { ms: 1000, to: 10 },
    { ms: 1000, to: 10 },
    { ms: 1010, to: Number.MAX_SAFE_INTEGER },
  ]);
  expect([times.since(0), times.since(1001), times.since(1011)]).toEqual([0, 10, undefined]);
  for (let at = 2; at < 5000; at++) times.note(at * 10, 1000 + at * 10);
  times.close();
  const next = new SpoolTimes(path);
  expect([next.at(49_995)?.ms, next.since(50_000), next.at(9030)]).toEqual([50_990, 49_000, undefined]);
  expect(next.note(50_000, 60_000)).toBe(9050);
  expect(next.at(9055)).toEqual({ ms: 10_050, to: 9060 });
  next.close();
});

test("a time that can't be noted is that of the output before", () => {
  const times = new SpoolTimes(newPath());
  times.note(0, 1000);
  full();
  expect(times.note(10, 2000)).toBe(0);
  expect(times.at(10)?.ms).toBe(1000);
  times.close();
});
