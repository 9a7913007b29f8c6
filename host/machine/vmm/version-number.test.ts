import { expect, test } from "vitest";
import { isAtLeast } from "./version-number.ts";

test.each([
  ["1.16.0", [1, 16, 0], true],
  ["1.15.9", [1, 16, 0], false],
  ["1.17.0-dev", [1, 16, 0], true],
  ["2.0", [1, 16, 0], true],
  ["1.16", [1, 16, 0], true],
  ["v52.0", [52], true],
  ["51.1.0", [52], false],
  ["9.0", [10], false],
  ["unknown", [0], false],
])("version %s compared with %j is %s", (version, wanted, expected) => {
  expect(isAtLeast(version, wanted)).toBe(expected);
});
