import { expect, test } from "vitest";
import { cpuWeight, cpuWrites } from "./cgroup-cpu.ts";

test("converts shares to a weight by the newer formula of runc and crun", () => {
  const shares = [0, 1, 2, 3, 256, 512, 1024, 2048, 10_000, 262_143, 262_144, 1e9];
  expect(shares.map(cpuWeight)).toEqual([1, 1, 1, 2, 35, 59, 100, 174, 627, 10_000, 10_000, 10_000]);
});

const writes = (...cpus: Parameters<typeof cpuWrites>) =>
  cpuWrites(...cpus).map(({ file, value, field }) => `${file} ${value} (${field})`);

test("a quota and a period are one write, and name the field that was given", () => {
  expect(writes({ quota: 1000 })).toEqual(["cpu.max 1000 100000 (cpu.quota)"]);
  expect(writes({ period: 50_000 })).toEqual(["cpu.max max 50000 (cpu.period)"]);
  expect(writes({ period: 50_000 }, { quota: 7 })).toEqual(["cpu.max 7 50000 (cpu.period)"]);
  expect(writes({ quota: -1 }, { quota: 7, period: 9 })).toEqual(["cpu.max max 9 (cpu.quota)"]);
});
