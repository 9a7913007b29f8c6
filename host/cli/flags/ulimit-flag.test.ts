import { expect, test } from "vitest";
import { ulimits } from "./ulimit-flag.ts";

test("parses one limit or two", () => {
  const first = ulimits("nofile=1024:4096");
  expect(ulimits("core=0", first)).toEqual([
    { type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 },
    { type: "RLIMIT_CORE", soft: 0, hard: 0 },
  ]);
});

test.each(["nofile", "nofile=", "files=1", "nofile=2:1", "nofile=-1", "core=unlimited"])("refuses %s", (text) => {
  expect(() => ulimits(text)).toThrow("Expected NAME=SOFT or NAME=SOFT:HARD, such as nofile=1024:4096.");
});
