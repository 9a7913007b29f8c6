import { expect, test } from "vitest";
import { ageText, textTable } from "./text-table.ts";

test("pads columns to their longest cell, without trailing blanks", () => {
  expect(
    textTable([
      ["A", "B"],
      ["long", ""],
      ["x", "y"],
    ]),
  ).toBe("A     B\nlong\nx     y\n");
});

test("escapes control characters and line breaks in a guest's cells", () => {
  expect(textTable([["a\u001b[2J\nfake", "\u009b1m"]])).toBe("a\\u001b[2J\\u000afake  \\u009b1m\n");
});

test("shows an age in its largest unit, and never a negative one", () => {
  const now = Date.parse("2026-11-25T12:00:00Z");
  const ago = (seconds: number) => ageText(new Date(now - seconds * 1000).toISOString(), now);
  expect([-5, 5, 65, 7300, 200_000].map(ago)).toEqual(["0 s", "5 s", "1 min", "2 h", "2 d"]);
});
