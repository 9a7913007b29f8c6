import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { compileC, SANITIZED } from "../testing/compile-c.ts";

const EBUSY = 16;
const EINVAL = 22;
const repository = join(import.meta.dirname, "../..");
const program = join(repository, "build/test/check-map");

/** Uses a fake device mapper. The guests in test/vm that boot from dm-verity use the real one. */
beforeAll(() => {
  const init = join(repository, "agent/native/init");
  const sources = [join(import.meta.dirname, "check-map.c"), ...["map.c", "util.c"].map((name) => join(init, name))];
  const played = ["open", "ioctl"].map((call) => `-D${call}=played_${call}`);
  compileC(sources, program, [...SANITIZED, ...played]);
});

test.each([
  ["is created in three steps", 0, 0, "create load resume 0"],
  ["that already exists counts as created", 1, EBUSY, "create 0"],
  ["that can't be created is an error", 1, EINVAL, `create ${-EINVAL}`],
  ["whose disk is in use is an error", 2, EBUSY, `create load ${-EBUSY}`],
  ["that can't be resumed is an error", 3, EBUSY, `create load resume ${-EBUSY}`],
])("a device of dm-mod.create= %s", (_what, step, errno, expected) => {
  expect(
    execFileSync(program, [String(step), String(errno)])
      .toString()
      .trimEnd(),
  ).toBe(expected);
});
