import { expect, test } from "vitest";
import { CODES, codeName } from "./codes.ts";

test("every code has its name back, and others are unknown", () => {
  for (const [name, code] of Object.entries(CODES)) expect(codeName(code)).toBe(name);
  expect([-1, 17, 1.5].map(codeName)).toEqual(["unknown", "unknown", "unknown"]);
});
