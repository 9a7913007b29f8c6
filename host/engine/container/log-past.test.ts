import { expect, test } from "vitest";
import { type LogLines, LogPast } from "./log-past.ts";

const MIB = 1 << 20;
const at = (second: number) => new Date(second * 1000);
const textOf = (lines: readonly LogLines[]) => Buffer.concat(lines.flatMap(({ parts }) => parts)).toString();

function past(tail: number | undefined, ...parts: [name: "stdout" | "stderr", second: number, text: string][]) {
  const lines = new LogPast(tail);
  for (const [name, second, text] of parts) expect(lines.add(name, at(second), Buffer.from(text))).toEqual([]);
  return textOf(lines.take());
}

test("orders the lines of both outputs by their times, and joins their parts", () => {
  expect(
    past(
      undefined,
      ["stdout", 2, "b\nc"],
      ["stdout", 5, "c\nd"],
      ["stderr", 1, "a\n"],
      ["stderr", 3, "x"],
      ["stderr", 3.5, ""],
      ["stderr", 4, "y\n"],
    ),
  ).toBe("a\nb\ncc\nxy\nd");
});

test("returns the last lines", () => {
  expect(past(2, ["stdout", 2, "b\nc\n"], ["stderr", 1, "a\n"])).toBe("b\nc\n");
  expect(past(2, ["stdout", 2, "a\nb\nc\nd"])).toBe("c\nd");
  expect(past(2, ["stdout", 1, "a\nb"], ["stdout", 2, "b\nc"], ["stdout", 3, "c\n"])).toBe("bb\ncc\n");
  expect(past(0, ["stdout", 2, "b\nc\n"])).toBe("");
});

test("a tail that is too long keeps its newest lines, and says so", () => {
  const lines = new LogPast(1e9);
  const long = Buffer.alloc(MIB, "x");
  long[long.length - 1] = 10;
  for (let count = 0; count < 200; count++) expect(lines.add("stdout", at(count), long)).toEqual([]);
  expect(lines.isCut).toBe(true);
  const times = lines.take().map(({ time }) => Number(time) / 1000);
  expect(times.length).toBeLessThan(18);
  expect(times.at(-1)).toBe(199);
  expect(new Set(times).size).toBe(times.length);
});

test("a short tail of an endless past is exact", () => {
  const lines = new LogPast(3);
  for (let count = 0; count < 300_000; count++) lines.add("stdout", at(count), Buffer.from(`${count}\n`));
  expect(lines.isCut).toBe(false);
  expect(textOf(lines.take())).toBe("299997\n299998\n299999\n");
});

test.each([1, 1e9])("holds the newest part of a line without end, of a tail of %d lines", (tail) => {
  const lines = new LogPast(tail);
  lines.add("stderr", at(0), Buffer.from("older\n"));
  for (let count = 0; count < 1024; count++) expect(lines.add("stdout", at(1), Buffer.alloc(65_536, "x"))).toEqual([]);
  lines.add("stdout", at(2), Buffer.from("end\n"));
  expect(lines.isCut).toBe(true);
  const text = textOf(lines.take());
  expect(text.length).toBeLessThan(18 * MIB);
  expect(text).toMatch(/^x+end\n$/);
});

test("a line without end that a tail has dropped is not kept any longer", () => {
  const lines = new LogPast(2);
  const older = Buffer.alloc(MIB, "x");
  for (let count = 0; count < 200; count++) {
    lines.add("stdout", at(0), older);
    lines.add("stderr", at(1), Buffer.from("newer\n"));
  }
  expect(textOf(lines.take())).toBe("newer\nnewer\n");
});

test.each([undefined, 1e9])("holds short lines in the pieces that they came in, of a tail of %s", (tail) => {
  const lines = new LogPast(tail);
  const piece = Buffer.alloc(65_536, "x\n");
  const ready = Array.from({ length: 1024 }, () => lines.add("stdout", at(0), piece)).flat();
  const all = [...ready, ...lines.take()];
  expect(all.length).toBeLessThan(1025);
  const bytes = all.flatMap(({ parts }) => parts).reduce((sum, { length }) => sum + length, 0);
  if (tail === undefined) expect(bytes).toBe(64 * MIB);
  else expect(bytes).toBeGreaterThan(7 * MIB);
});

test("pieces of a byte count for what they take", () => {
  const lines = new LogPast(undefined);
  let held = 0;
  while (lines.add("stdout", at(held), Buffer.from("x")).length === 0) held++;
  expect(held).toBeLessThan(65_536);
});
