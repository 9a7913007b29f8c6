import { expect, test } from "vitest";
import { invalidArgument, quoted } from "./invalid-argument.ts";

test("input that can't be accepted is an invalid argument", () => {
  expect(invalidArgument("size x is not a number")).toMatchObject({
    kind: "invalid-argument",
    message: "size x is not a number",
  });
});

test("outside text is quoted on one line, and cut after the given length", () => {
  expect(quoted('a"\n')).toBe('"a\\"\\n"');
  expect([quoted("x".repeat(100)), quoted("x".repeat(101))]).toEqual([`"${"x".repeat(100)}"`, `"${"x".repeat(100)}…"`]);
  expect([quoted("abc", 3), quoted("abcd", 3)]).toEqual(['"abc"', '"abc…"']);
});
