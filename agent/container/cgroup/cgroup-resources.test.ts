import { describe, expect, test } from "vitest";
import { resourceWrites } from "./cgroup-resources.ts";
import type { CgroupWrite } from "./cgroup-write.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

/** The error of these resources: "linux.resources." goes before the line. */
const refused = (line: string) =>
  expect.objectContaining({ kind: "invalid-argument", message: `OCI spec: linux.resources.${line}` });

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
    [{ swap: 100 }, "memory.swap 100 needs a memory.limit"],
    [{ limit: -1, swap: 100 }, "memory.swap 100 needs a memory.limit"],
    [{ limit: 100, swap: -2 }, "memory.swap -2 is negative; -1 is unlimited"],
    [{ limit: 100, swap: 99 }, "memory.swap 99 is less than memory.limit 100; it counts memory and swap together"],
    [{ limit: -2 }, "memory.limit -2 is negative; -1 is unlimited"],
    [{ reservation: -5 }, "memory.reservation -5 is negative; -1 is unlimited"],
  ])("of %j are refused", (memory, line) => {
    expect(() => resourceWrites({ memory })).toThrow(refused(line));
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
    [{ idle: 2 }, "cpu.idle 2 is neither 0 nor 1"],
    [{ idle: -1 }, "cpu.idle -1 is neither 0 nor 1"],
    ...["all", "3-1", "-", "0-", ","].map((cpus): [object, string] => [
      { cpus },
      `cpu.cpus "${cpus}" is not a list such as "0-3,8"`,
    ]),
    [{ mems: "0 1" }, 'cpu.mems "0 1" is not a list such as "0-3,8"'],
    [{ mems: "../x" }, 'cpu.mems "../x" is not a list such as "0-3,8"'],
  ])("of %j are refused", (cpu, line) => {
    expect(() => resourceWrites({ cpu })).toThrow(refused(line));
  });

  test("that the guest's processors or nodes don't allow are skipped", () => {
    const skipOn = ["EINVAL", "ERANGE", "EOVERFLOW", "ENOSPC"];
    expect(resourceWrites({ cpu: { cpus: "0", mems: "1" } })).toEqual([
      { file: "cpuset.mems", value: "1", field: "cpu.mems", skipOn },
      { file: "cpuset.cpus", value: "0", field: "cpu.cpus", skipOn },
    ]);
  });

  test("name the field that they come from", () => {
    const fields = (cpu: object) => resourceWrites({ cpu }).map(({ field }) => field);
    expect(fields({ period: 1 })).toEqual(["cpu.period"]);
    expect(fields({ quota: 1, period: 1 })).toEqual(["cpu.quota"]);
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
    expect(
      resourceWrites({ blockIO }).flatMap(({ field, instead }) => [field, ...(instead ? [instead.field] : [])]),
    ).toEqual(
      [
        "weight",
        "weight",
        "weightDevice",
        "weightDevice",
        ...["ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS"].map((kind) => `throttle${kind}Device`),
      ].map((name) => `blockIO.${name}`),
    );
    expect(resourceWrites({ blockIO: {} })).toEqual([]);
  });

  test.each([9, 1001])("refuse a weight of %i", (weight) => {
    const line = `${weight} is outside 10..1000`;
    expect(() => resourceWrites({ blockIO: { weight } })).toThrow(refused(`blockIO.weight ${line}`));
    const weightDevice = [{ major: 8, minor: 0, weight }];
    expect(() => resourceWrites({ blockIO: { weightDevice } })).toThrow(refused(`blockIO.weightDevice ${line}`));
  });
});

test("limits huge pages both in use and reserved", () => {
  expect(resourceWrites({ hugepageLimits: [{ pageSize: "2MB", limit: 0 }] }).map(bare)).toEqual([
    { file: "hugetlb.2MB.max", value: "0", skipOn: ["ENOENT"] },
    { file: "hugetlb.2MB.rsvd.max", value: "0", optional: true },
  ]);
  for (const pageSize of ["../x", "2MB/..", "a2MB", "02MB", "MB", "2", "2TB", "1234567KB"]) {
    const line = `hugepageLimits pageSize "${pageSize}" is not a size such as "2MB"`;
    expect(() => resourceWrites({ hugepageLimits: [{ pageSize, limit: 0 }] })).toThrow(refused(line));
  }
  for (const pageSize of ["64KB", "1GB", "123456KB"]) {
    expect(resourceWrites({ hugepageLimits: [{ pageSize, limit: 0 }] })).toHaveLength(2);
  }
});

test("writes one line for each RDMA device", () => {
  expect(written({ rdma: { mlx5_0: { hcaHandles: 3, hcaObjects: 0 }, hfi1: { hcaObjects: 9 } } })).toEqual([
    "rdma.max mlx5_0 hca_handle=3 hca_object=0",
    "rdma.max hfi1 hca_object=9",
  ]);
  expect(() => resourceWrites({ rdma: { x: {} } })).toThrow(refused("rdma.x has neither hcaHandles nor hcaObjects"));
  for (const name of ["a b", "a\n", "/a", "", "a".repeat(65)]) {
    const line = `rdma ${JSON.stringify(name)} is not a device name`;
    expect(() => resourceWrites({ rdma: { [name]: { hcaHandles: 1 } } })).toThrow(refused(line));
  }
  expect(written({ rdma: { ["a".repeat(64)]: { hcaHandles: 1 } } })).toHaveLength(1);
});

test("refuses more than 1024 limits", () => {
  const lines = (count: number) => ({ unified: { "io.max": "1:2 rbps=1\n".repeat(count) } });
  expect(resourceWrites(lines(1024))).toHaveLength(1024);
  const message = "OCI spec: linux.resources has 1025 limits, more than 1024";
  expect(() => resourceWrites(lines(1025))).toThrow(expect.objectContaining({ kind: "invalid-argument", message }));
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
    ...["../memory.max", "a/memory.max", "..", "memory..max", "memory", "", "1a.b", "A.b", `m.${"x".repeat(99)}`].map(
      (file) => [file, "is not the name of a cgroup file"],
    ),
    ...["cgroup.procs", "cgroup.kill", "cgroup.subtree_control"].map((file) => [
      file,
      "is not a limit; guestd manages this file itself",
    ]),
  ])("%j is refused", (file, why) => {
    expect(() => resourceWrites({ unified: { [`${file}`]: "1" } })).toThrow(refused(`unified "${file}" ${why}`));
  });

  test.each([
    "cgroup.max.depth",
    "cgroup.max.descendants",
    "cgroup.pressure",
    "hugetlb.2MB.max",
    `m.${"x".repeat(98)}`,
  ])("%s is written", (file) => {
    expect(resourceWrites({ unified: { [file]: "1" } })).toEqual([{ file, value: "1", field: `unified["${file}"]` }]);
  });

  test("may lack the swap file for no swap or unlimited swap, as in memory.swap", () => {
    const write = (value: string) => resourceWrites({ unified: { "memory.swap.max": value } }).map(bare);
    const file = "memory.swap.max";
    expect(write("0")).toEqual([{ file, value: "0", optional: true }]);
    expect(write("max")).toEqual([{ file, value: "max", optional: true }]);
    expect(write("4096")).toEqual([{ file, value: "4096" }]);
  });

  test("is refused if its value is empty or has a NUL byte", () => {
    const refuse = (value: string, why: string) =>
      expect(() => resourceWrites({ unified: { "memory.high": value } })).toThrow(
        refused(`unified "memory.high" ${why}`),
      );
    refuse("", "has an empty value");
    refuse("\n\n", "has an empty value");
    refuse("1\0", "has a NUL byte in its value");
  });
});
