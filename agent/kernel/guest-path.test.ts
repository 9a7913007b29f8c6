import { expect, test } from "vitest";
import { guestPath } from "./guest-path.ts";

test("an absolute path is returned unchanged", () => {
  expect(guestPath("volume path", "/a b/../c")).toBe("/a b/../c");
});

test.each([
  ["", "is not an absolute path"],
  ["x/y", "is not an absolute path"],
  ["/x\0y", "has a NUL byte in it"],
  [`/${"x/".repeat(2048)}`, "is longer than 4095 bytes"],
])("%j is refused with a short message", (path, why) => {
  expect(() => guestPath("volume path", path)).toThrow(why);
  expect(() => guestPath("volume path", path)).toThrow(/^volume path "[^\n]{0,260}$/);
});
