import { expect, test } from "vitest";
import { cpuWeight } from "./cgroup-cpu.ts";

test("converts shares to a weight by the newer formula of runc and crun", () => {
  const shares = [0, 1, 2, 3, 256, 512, 1024, 2048, 10_000, 262_143, 262_144, 1e9];
  expect(shares.map(cpuWeight)).toEqual([1, 1, 1, 2, 35, 59, 100, 174, 627, 10_000, 10_000, 10_000]);
});
