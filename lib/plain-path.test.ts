import { expect, test } from "vitest";
import { isPlainPath } from "./plain-path.ts";

test.each(["/", "/a", "/a/", "/a/b", "/.a", "/..a/b..", "/a/...", "/a.", "/.a/"])("%j names its place", (path) => {
  expect(isPlainPath(path)).toBe(true);
});

test.each([
  "",
  "a",
  "./a",
  "//",
  "//a",
  "/a//b",
  "/a//",
  "/.",
  "/..",
  "/./",
  "/../",
  "/a/.",
  "/a/..",
  "/a/./b",
  "/a/../b",
  "/a\0b",
])("%j doesn't, or not by its text", (path) => {
  expect(isPlainPath(path)).toBe(false);
});
