import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { randomBytes } from "./random-bytes.ts";

test("random bytes are as many as asked for, and others each time", () => {
  expect(randomBytes(64)).toHaveLength(64);
  expect(randomBytes(64)).not.toEqual(randomBytes(64));
});

/** A clone's saved agent serves for some time: another generator's state would be the same in all clones. */
test("nothing in the agent draws random numbers from anything but the kernel", () => {
  const files = globSync("{agent,proto,lib,image}/**/*.ts", {
    exclude: (name) => name === "node_modules" || name === "gen",
  });
  const sources = files.filter((file) => !/\.test\.ts$|\/testing\//.test(file));
  expect(sources).toContain("agent/main.ts");
  const others = /\bMath\.random\b|\brandom(UUID|Int|Fill|FillSync)\b|\bgetRandomValues\b|randomBytes.*node:crypto/;
  expect(sources.filter((file) => others.test(readFileSync(file, "utf8")))).toEqual([]);
});
