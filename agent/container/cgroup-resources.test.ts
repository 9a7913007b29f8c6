import { describe, expect, test } from "vitest";
import { cpuWeight, resourceWrites } from "./cgroup-resources.ts";
import type { ResourcesSpec } from "./spec.ts";

const written = (resources: ResourcesSpec) => resourceWrites(resources).map(({ file, value }) => `${file} ${value}`);

test("all limits together, in the order of writing", () => {
  const resources = {
    memory: { limit: 268435456, reservation: 134217728, swap: 402653184 },
    cpu: { shares: 512, quota: 50_000, period: 100_000, cpus: "0-1", mems: "0" },
    pids: { limit: 100 },
  };
  expect(written(resources)).toEqual([
    "cpuset.mems 0",
    "cpuset.cpus 0-1",
    "cpu.weight 59",
    "cpu.max 50000 100000",
    "memory.swap.max 134217728",
    "memory.low 134217728",
    "memory.max 268435456",
    "pids.max 100",
  ]);
});

test("what the recorded hosts send by default is one write", () => {
  expect(written({ cpu: { shares: 1024 } })).toEqual(["cpu.weight 100"]);
});

test("zero and empty count as not given", () => {
  const zeros = {
    memory: { limit: 0, reservation: 0, swap: 0 },
    cpu: { shares: 0, quota: 0, period: 0, cpus: "", mems: "" },
    pids: { limit: 0 },
  };
  expect(written(zeros)).toEqual([]);
  expect(written({})).toEqual([]);
});

describe("memory", () => {
  test.each<[object, string[]]>([
    [{ limit: -1 }, ["memory.swap.max max", "memory.max max"]],
    [{ limit: -1, swap: -1 }, ["memory.swap.max max", "memory.max max"]],
    [{ limit: 100, swap: -1 }, ["memory.swap.max max", "memory.max 100"]],
    [{ limit: 100, swap: 100 }, ["memory.swap.max 0", "memory.max 100"]],
    [{ limit: 100, swap: 150 }, ["memory.swap.max 50", "memory.max 100"]],
    [{ swap: -1 }, ["memory.swap.max max"]],
    [{ reservation: -1 }, ["memory.low max"]],
  ])("%j", (memory, expected) => {
    expect(written({ memory })).toEqual(expected);
  });

  test("only a swap limit that holds without swap accounting may be missing", () => {
    const optional = (swap: number) => resourceWrites({ memory: { limit: 100, swap } })[0]?.optional;
    expect([optional(-1), optional(100), optional(150)]).toEqual([true, true, undefined]);
  });

  test.each<[object, string]>([
    [{ swap: 100 }, "linux.resources.memory.swap 100 needs a memory.limit"],
    [{ limit: -1, swap: 100 }, "needs a memory.limit"],
    [{ limit: 100, swap: 50 }, "linux.resources.memory.swap 50 is less than memory.limit 100"],
    [{ limit: -2 }, "linux.resources.memory.limit -2 is negative"],
    [{ reservation: -5 }, "memory.reservation -5 is negative"],
  ])("%j is refused", (memory, message) => {
    expect(() => resourceWrites({ memory })).toThrow(message);
  });
});

describe("cpu", () => {
  test.each<[object, string]>([
    [{ quota: 10_000 }, "cpu.max 10000 100000"],
    [{ quota: -1 }, "cpu.max max 100000"],
    [{ period: 50_000 }, "cpu.max max 50000"],
    [{ quota: 150_000, period: 50_000 }, "cpu.max 150000 50000"],
  ])("%j", (cpu, expected) => {
    expect(written({ cpu })).toEqual([expected]);
  });

  test("shares become a weight by the newer formula of runc and crun", () => {
    const shares = [0, 1, 2, 3, 256, 512, 1024, 2048, 10_000, 262_143, 262_144, 1e9];
    expect(shares.map(cpuWeight)).toEqual([1, 1, 1, 2, 35, 59, 100, 174, 627, 10_000, 10_000, 10_000]);
  });
});

test("unlimited tasks", () => {
  expect(written({ pids: { limit: -1 } })).toEqual(["pids.max max"]);
});
