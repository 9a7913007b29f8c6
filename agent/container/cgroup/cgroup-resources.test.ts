import { describe, expect, test } from "vitest";
import { resourceWrites } from "./cgroup-resources.ts";
import type { CgroupWrite } from "./cgroup-write.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

const written = (resources: ResourcesSpec) => resourceWrites(resources).map(({ file, value }) => `${file} ${value}`);

/** The writes as "file value", without their spec fields. */
const bare = ({ field: _, instead, ...write }: CgroupWrite) =>
  instead === undefined ? write : { ...write, instead: { file: instead.file, value: instead.value } };

test("every write names the spec field it comes from", () => {
  const resources: ResourcesSpec = {
    memory: { limit: 1, reservation: 1, swap: 1 },
    cpu: { shares: 2, quota: 1, burst: 1, idle: 0, cpus: "0", mems: "0" },
    pids: { limit: 1 },
    blockIO: { weight: 10, throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 1 }] },
    hugepageLimits: [{ pageSize: "2MB", limit: 1 }],
    rdma: { mlx: { hcaHandles: 1 } },
    unified: { "memory.high": "1" },
  };
  expect([...new Set(resourceWrites(resources).map(({ field }) => field))]).toEqual([
    ...["cpu.mems", "cpu.cpus", "cpu.idle", "cpu.shares", "cpu.burst", "cpu.quota"],
    ...["memory.swap", "memory.reservation", "memory.limit", "pids.limit"],
    ...["blockIO.weight", "blockIO.throttleReadIOPSDevice", "hugepageLimits", "rdma.mlx", 'unified["memory.high"]'],
  ]);
});

test("returns all limits in the order in which they are written", () => {
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

test("turns the recorded hosts' default resources into one write", () => {
  expect(written({ cpu: { shares: 1024 } })).toEqual(["cpu.weight 100"]);
});

test("treats zero and empty values as unset", () => {
  const zeros = {
    memory: { limit: 0, reservation: 0, swap: 0 },
    cpu: { shares: 0, quota: 0, period: 0, cpus: "", mems: "" },
    pids: { limit: 0 },
  };
  expect(written(zeros)).toEqual([]);
  expect(written({})).toEqual([]);
});

describe("memory limits", () => {
  test.each<[object, string[]]>([
    [{ limit: -1 }, ["memory.swap.max max", "memory.max max"]],
    [{ limit: -1, swap: -1 }, ["memory.swap.max max", "memory.max max"]],
    [{ limit: 100, swap: -1 }, ["memory.swap.max max", "memory.max 100"]],
    [{ limit: 100, swap: 100 }, ["memory.swap.max 0", "memory.max 100"]],
    [{ limit: 100, swap: 150 }, ["memory.swap.max 50", "memory.max 100"]],
    [{ swap: -1 }, ["memory.swap.max max"]],
    [{ reservation: -1 }, ["memory.low max"]],
  ])("of %j become their writes", (memory, expected) => {
    expect(written({ memory })).toEqual(expected);
  });

  test("may lack the swap file only if the limit holds without swap accounting", () => {
    const optional = (swap: number) => resourceWrites({ memory: { limit: 100, swap } })[0]?.optional;
    expect([optional(-1), optional(100), optional(150)]).toEqual([true, true, undefined]);
  });

  test.each<[object, string]>([
    [{ swap: 100 }, "linux.resources.memory.swap 100 needs a memory.limit"],
    [{ limit: -1, swap: 100 }, "needs a memory.limit"],
    [{ limit: 100, swap: 50 }, "linux.resources.memory.swap 50 is less than memory.limit 100"],
    [{ limit: -2 }, "linux.resources.memory.limit -2 is negative"],
    [{ reservation: -5 }, "memory.reservation -5 is negative"],
  ])("of %j are refused", (memory, message) => {
    expect(() => resourceWrites({ memory })).toThrow(message);
  });
});

describe("CPU limits", () => {
  test.each<[object, string]>([
    [{ quota: 10_000 }, "cpu.max 10000 100000"],
    [{ quota: -1 }, "cpu.max max 100000"],
    [{ period: 50_000 }, "cpu.max max 50000"],
    [{ quota: 150_000, period: 50_000 }, "cpu.max 150000 50000"],
  ])("of %j become their writes", (cpu, expected) => {
    expect(written({ cpu })).toEqual([expected]);
  });

  test.each<[object, string[]]>([
    [{ idle: 1, shares: 1024 }, ["cpu.weight 100", "cpu.idle 1"]],
    [{ idle: 0, shares: 1024 }, ["cpu.idle 0", "cpu.weight 100"]],
    [{ burst: 0 }, ["cpu.max.burst 0"]],
    [{ burst: 0, quota: 5000 }, ["cpu.max.burst 0", "cpu.max 5000 100000"]],
    [{ burst: 1000, quota: 5000 }, ["cpu.max.burst 0", "cpu.max 5000 100000", "cpu.max.burst 1000"]],
    [{ burst: 1000 }, ["cpu.max.burst 1000"]],
  ])("of %j are written in the order that the kernel accepts", (cpu, expected) => {
    expect(written({ cpu })).toEqual(expected);
  });

  test.each<[object, string]>([
    [{ idle: 2 }, "linux.resources.cpu.idle 2 is neither 0 nor 1"],
    [{ cpus: "all" }, 'linux.resources.cpu.cpus "all" is not a list'],
    [{ cpus: "3-1" }, 'linux.resources.cpu.cpus "3-1" is not a list'],
    [{ cpus: "-" }, 'linux.resources.cpu.cpus "-" is not a list'],
    [{ cpus: "0-" }, 'linux.resources.cpu.cpus "0-" is not a list'],
    [{ cpus: "," }, 'linux.resources.cpu.cpus "," is not a list'],
    [{ mems: "0 1" }, 'linux.resources.cpu.mems "0 1" is not a list'],
    [{ mems: "../x" }, 'linux.resources.cpu.mems "../x" is not a list'],
  ])("of %j are refused", (cpu, message) => {
    expect(() => resourceWrites({ cpu })).toThrow(message);
  });
});

test("writes max for an unlimited number of tasks", () => {
  expect(written({ pids: { limit: -1 } })).toEqual(["pids.max max"]);
});

describe("block I/O limits", () => {
  test("include weights and throttles", () => {
    const blockIO = {
      weight: 10,
      weightDevice: [{ major: 8, minor: 0, weight: 1000 }],
      throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }],
      throttleWriteBpsDevice: [{ major: 8, minor: 16, rate: 0 }],
      throttleReadIOPSDevice: [{ major: 8, minor: 0, rate: 3 }],
      throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 4 }],
    };
    expect(resourceWrites({ blockIO }).map(bare)).toEqual([
      { file: "io.bfq.weight", value: "10", instead: { file: "io.weight", value: "1" } },
      { file: "io.bfq.weight", value: "8:0 1000", instead: { file: "io.weight", value: "8:0 10000" } },
      { file: "io.max", value: "8:0 rbps=1000" },
      { file: "io.max", value: "8:16 wbps=max" },
      { file: "io.max", value: "8:0 riops=3" },
      { file: "io.max", value: "8:0 wiops=4" },
    ]);
    expect(resourceWrites({ blockIO: {} })).toEqual([]);
  });

  test.each([9, 1001])("refuse a weight of %i", (weight) => {
    expect(() => resourceWrites({ blockIO: { weight } })).toThrow(`blockIO.weight ${weight} is outside 10..1000`);
  });
});

test("limits huge pages both in use and reserved", () => {
  expect(resourceWrites({ hugepageLimits: [{ pageSize: "2MB", limit: 0 }] }).map(bare)).toEqual([
    { file: "hugetlb.2MB.max", value: "0", skipOn: ["ENOENT"] },
    { file: "hugetlb.2MB.rsvd.max", value: "0", optional: true },
  ]);
  const bad = [{ pageSize: "../x", limit: 0 }];
  expect(() => resourceWrites({ hugepageLimits: bad })).toThrow('pageSize "../x" is not a size such as "2MB"');
});

test("writes one line for each RDMA device", () => {
  expect(written({ rdma: { mlx5_0: { hcaHandles: 3, hcaObjects: 0 }, hfi1: { hcaObjects: 9 } } })).toEqual([
    "rdma.max mlx5_0 hca_handle=3 hca_object=0",
    "rdma.max hfi1 hca_object=9",
  ]);
  expect(() => resourceWrites({ rdma: { x: {} } })).toThrow("rdma.x has neither");
  expect(() => resourceWrites({ rdma: { "a b": { hcaHandles: 1 } } })).toThrow('"a b" is not a device name');
});

test("refuses more than 1024 limits", () => {
  const unified = { "io.max": "1:2 rbps=1\n".repeat(1025) };
  expect(() => resourceWrites({ unified })).toThrow("OCI spec: linux.resources has 1025 limits, more than 1024");
});

describe("a unified entry", () => {
  test("is written unchanged, line by line, after all other limits", () => {
    const unified = { "memory.high": "1048576", "io.max": "8:0 rbps=1\n8:16 rbps=2\n", "memory.oom.group": "1" };
    expect(written({ unified, pids: { limit: 1 } })).toEqual([
      "pids.max 1",
      "memory.high 1048576",
      "io.max 8:0 rbps=1",
      "io.max 8:16 rbps=2",
      "memory.oom.group 1",
    ]);
  });

  test.each([
    ["../memory.max", "is not the name of a cgroup file"],
    ["a/memory.max", "is not the name of a cgroup file"],
    ["..", "is not the name of a cgroup file"],
    ["memory..max", "is not the name of a cgroup file"],
    ["memory", "is not the name of a cgroup file"],
    ["", "is not the name of a cgroup file"],
    ["cgroup.procs", "guestd manages this file itself"],
    ["cgroup.kill", "guestd manages this file itself"],
    ["cgroup.subtree_control", "guestd manages this file itself"],
  ])("%j is refused", (file, why) => {
    expect(() => resourceWrites({ unified: { [file]: "1" } })).toThrow(why);
  });

  test("may lack the swap file for no swap or unlimited swap, as in memory.swap", () => {
    const write = (value: string) => resourceWrites({ unified: { "memory.swap.max": value } }).map(bare);
    const file = "memory.swap.max";
    expect(write("0")).toEqual([{ file, value: "0", optional: true }]);
    expect(write("max")).toEqual([{ file, value: "max", optional: true }]);
    expect(write("4096")).toEqual([{ file, value: "4096" }]);
  });

  test("is refused if its value is empty or has a NUL byte", () => {
    expect(() => resourceWrites({ unified: { "memory.high": "" } })).toThrow("has an empty value");
    expect(() => resourceWrites({ unified: { "memory.high": "1\0" } })).toThrow("has a NUL byte");
  });
});
