import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Init } from "../../proto/codec.ts";
import { grpc } from "../../proto/gen/messages.js";
import { resourceWrites } from "../container/cgroup/cgroup-resources.ts";
import { deviceFilter } from "../container/cgroup/device-filter.ts";
import { deviceRules } from "../container/cgroup/device-rules.ts";
import { toResources, unsupportedOfResources } from "./oci-resources.ts";

/** A message as it comes off the wire. */
const decoded = (parts: Init<grpc.LinuxResources>) =>
  grpc.LinuxResources.decode(grpc.LinuxResources.encode(parts).finish());

test("an empty message yields no resources", () => {
  expect(toResources(null)).toEqual({});
  expect(toResources(decoded({}))).toEqual({});
});

test("every resource gets its OCI name", () => {
  const resources = decoded({
    Memory: { Limit: 1, Reservation: 2, Swap: 3, CheckBeforeUpdate: true, UseHierarchy: true },
    CPU: { Shares: 4, Quota: -1, Period: 5, Cpus: "0", Mems: "1", Burst: 0, Idle: 0 },
    Pids: { Limit: 6 },
    BlockIO: { Weight: 7, ThrottleReadBpsDevice: [{ Major: 8, Minor: 9, Rate: 10 }] },
    HugepageLimits: [{ Pagesize: "2MB", Limit: 11 }],
    Rdma: { mlx: { HcaHandles: 0 } },
    Unified: { "memory.high": "12" },
  });
  expect(unsupportedOfResources(resources)).toEqual([]);
  expect(toResources(resources)).toEqual({
    memory: { limit: 1, reservation: 2, swap: 3, checkBeforeUpdate: true },
    cpu: { shares: 4, quota: -1, period: 5, cpus: "0", mems: "1", burst: 0, idle: 0 },
    pids: { limit: 6 },
    blockIO: {
      weight: 7,
      weightDevice: [],
      throttleReadBpsDevice: [{ major: 8, minor: 9, rate: 10 }],
      throttleWriteBpsDevice: [],
      throttleReadIOPSDevice: [],
      throttleWriteIOPSDevice: [],
    },
    hugepageLimits: [{ pageSize: "2MB", limit: 11 }],
    rdma: { mlx: { hcaHandles: 0 } },
    unified: { "memory.high": "12" },
  });
});

describe("a rule for devices", () => {
  test.each<[Init<grpc.LinuxDeviceCgroup>, object]>([
    [{}, { allow: false, type: "a", access: "rwm" }],
    [
      { Allow: true, Type: "c", Access: "m" },
      { allow: true, type: "c", access: "m" },
    ],
    [
      { Type: "c", Major: 136, Minor: -1, Access: "rw" },
      { allow: false, type: "c", major: 136, access: "rw" },
    ],
    [
      { Type: "b", Major: 8 },
      { allow: false, type: "b", major: 8, minor: 0, access: "rwm" },
    ],
    [
      { Type: "b", Major: -1, Minor: -1 },
      { allow: false, type: "b", access: "rwm" },
    ],
  ])("%j", (rule, expected) => {
    expect(toResources(decoded({ Devices: [rule] })).devices).toEqual([expected]);
  });
});

test.each<[string, Init<grpc.LinuxResources>]>([
  ["memory.kernel", { Memory: { Kernel: 1 } }],
  ["memory.kernelTCP", { Memory: { KernelTCP: 1 } }],
  ["memory.swappiness", { Memory: { Swappiness: 1 } }],
  ["memory.disableOOMKiller", { Memory: { DisableOOMKiller: true } }],
  ["memory.useHierarchy false", { Memory: { UseHierarchy: false } }],
  ["cpu.realtimeRuntime", { CPU: { RealtimeRuntime: 1 } }],
  ["cpu.realtimePeriod", { CPU: { RealtimePeriod: 1 } }],
  ["blockIO.leafWeight", { BlockIO: { LeafWeight: 10 } }],
  ["blockIO.weightDevice leafWeight", { BlockIO: { WeightDevice: [{ Major: 8, LeafWeight: 10 }] } }],
  ["network.classID", { Network: { ClassID: 1 } }],
  ["network.priorities", { Network: { Priorities: [{ Name: "eth0", Priority: 1 }] } }],
])("%s has nothing in cgroup v2 and is named", (name, parts) => {
  expect(unsupportedOfResources(decoded(parts))).toEqual([`linux.resources.${name}`]);
});

test("any message yields only writes to the cgroup's files, or a refusal in one line", () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom("2MB", "memory.max", "../x", "0-1", "0\n1", "a", "rwm", "__proto__", "x\ny"),
  );
  const number = fc.oneof(fc.integer({ min: -2, max: 3 }), fc.integer(), fc.maxSafeInteger());
  const natural = fc.oneof(fc.nat(3), fc.nat(2 ** 31 - 1));
  const device = fc.record({ Major: number, Minor: number, Weight: natural, Rate: natural });
  const resources = fc.record(
    {
      Memory: fc.record({ Limit: number, Reservation: number, Swap: number, CheckBeforeUpdate: fc.boolean() }),
      CPU: fc.record({
        Shares: natural,
        Quota: number,
        Period: natural,
        Burst: natural,
        Idle: number,
        Cpus: text,
        Mems: text,
      }),
      Pids: fc.record({ Limit: number }),
      BlockIO: fc.record({ Weight: natural, WeightDevice: fc.array(device), ThrottleReadBpsDevice: fc.array(device) }),
      HugepageLimits: fc.array(fc.record({ Pagesize: text, Limit: natural })),
      Rdma: fc.dictionary(text, fc.record({ HcaHandles: natural })),
      Unified: fc.dictionary(text, text),
      Devices: fc.array(fc.record({ Allow: fc.boolean(), Type: text, Major: number, Minor: number, Access: text })),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(resources, (parts) => {
      const spec = toResources(decoded(parts));
      try {
        deviceFilter(deviceRules({ devices: [], resources: spec }));
        for (const { file, value } of resourceWrites(spec)) {
          expect(file).toMatch(/^[a-z][a-z0-9_]*(\.\w+)+$/);
          expect(value).toMatch(/^[^\0\n]+$/);
        }
      } catch (error) {
        expect(error).toMatchObject({ kind: "invalid-argument", message: expect.stringMatching(/^OCI spec: linux\./) });
      }
    }),
    { numRuns: 1000 },
  );
});
