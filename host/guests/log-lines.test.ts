import { expect, test } from "vitest";
import { LogPast, linesOf } from "./log-lines.ts";

const at = (second: number) => new Date(second * 1000);
const textOf = (lines: readonly { readonly bytes: Uint8Array }[]) =>
  Buffer.concat(lines.map(({ bytes }) => bytes)).toString();

function past(tail: number | undefined, ...parts: [name: "stdout" | "stderr", second: number, text: string][]) {
  const lines = new LogPast(tail);
  for (const [name, second, text] of parts) {
    for (const line of linesOf(name, at(second), Buffer.from(text))) expect(lines.add(line)).toEqual([]);
  }
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
      ["stderr", 4, "y\n"],
    ),
  ).toBe("a\nb\ncc\nxy\nd");
});

test("returns the last lines", () => {
  expect(past(2, ["stdout", 2, "b\nc\n"], ["stderr", 1, "a\n"])).toBe("b\nc\n");
  expect(past(0, ["stdout", 2, "b\nc\n"])).toBe("");
});

test("a tail that is too long keeps its newest lines, and says so", () => {
  const lines = new LogPast(1e9);
  const long = Buffer.alloc(1 << 20, "x");
  long[long.length - 1] = 10;
  for (let count = 0; count < 200; count++) {
    for (const line of linesOf("stdout", at(count), long)) expect(lines.add(line)).toEqual([]);
  }
  expect(lines.isCut).toBe(true);
  const times = lines.take().map(({ time }) => Number(time) / 1000);
  expect(times.length).toBeLessThan(18);
  expect(times.at(-1)).toBe(199);
  expect(new Set(times).size).toBe(times.length);
});

test("a short tail of an endless past is exact", () => {
  const lines = new LogPast(3);
  for (let count = 0; count < 300_000; count++) {
    for (const line of linesOf("stdout", at(count), Buffer.from(`${count}\n`))) lines.add(line);
  }
  expect(lines.isCut).toBe(false);
  expect(textOf(lines.take())).toBe("299997\n299998\n299999\n");
});
