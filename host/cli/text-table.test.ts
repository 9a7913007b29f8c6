import { expect, test } from "vitest";
import { ageText, sizeText, textTable } from "./text-table.ts";

test("columns are as wide as their longest cell, without blanks at the end", () => {
  expect(
    textTable([
      ["A", "B"],
      ["long", ""],
      ["x", "y"],
    ]),
  ).toBe("A     B\nlong\nx     y\n");
});

test("a cell stays in its column and says nothing to the terminal, whatever a guest puts into it", () => {
  expect(textTable([["a\u001b[2J\nfake", "\u009b1m"]])).toBe("a\\u001b[2J\\u000afake  \\u009b1m\n");
});

test("sizes have the unit that leaves few digits", () => {
  expect([0, 1023, 1536, 10 * 2 ** 20, 3 * 2 ** 40].map(sizeText)).toEqual([
    "0 B",
    "1023 B",
    "1.5 KiB",
    "10 MiB",
    "3.0 TiB",
  ]);
});

test("an age is told in its largest unit, and is never below nothing", () => {
  const now = Date.parse("2026-11-25T12:00:00Z");
  const ago = (seconds: number) => ageText(new Date(now - seconds * 1000).toISOString(), now);
  expect([-5, 5, 65, 7300, 200_000].map(ago)).toEqual(["0 s", "5 s", "1 min", "2 h", "2 d"]);
});
