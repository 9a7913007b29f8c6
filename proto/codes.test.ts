import { expect, test } from "vitest";
import { CODES, codeName } from "./codes.ts";

test("maps each code to its name, and any other code to unknown", () => {
  for (const [name, code] of Object.entries(CODES)) expect(codeName(code)).toBe(name);
  expect([-1, 17, 1.5].map(codeName)).toEqual(["unknown", "unknown", "unknown"]);
});
