import { expect, test } from "vitest";
import { parseExactJson } from "./exact-json.ts";

test("returns numbers beyond 2^53 as bigints and others as numbers", () => {
  expect(parseExactJson('[18446744073709551614, -9007199254740993, 9007199254740991, 1.5, 1e300, "7"]', "")).toEqual([
    ...[18446744073709551614n, -9007199254740993n, 9007199254740991, 1.5, 1e300, "7"],
  ]);
});

test("refuses invalid JSON", () => {
  expect(() => parseExactJson("{", "")).toThrow(SyntaxError);
});
