import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { some } from "./arbitrary-parts.ts";

const MIB = 2 ** 20;

const memory = fc
  .record({
    Limit: some(fc.constantFrom(64 * MIB, 100 * MIB)),
    Reservation: some(fc.constantFrom(MIB, 32 * MIB)),
    more: fc.nat({ max: 2 }),
  })
  .map(({ Limit, Reservation, more }) => ({
    Limit,
    Reservation,
    ...(Limit === undefined || more === 0 ? {} : { Swap: more === 1 ? Limit : -1 }),
  }));

const cpu = fc.record({
  Shares: some(fc.constantFrom(2, 512, 1024, 262_144)),
  Idle: some(fc.constant(1), 4),
  Quota: some(fc.constantFrom(50_000, 100_000)),
  Period: some(fc.constantFrom(50_000, 100_000)),
  Cpus: some(fc.constant("0")),
  Mems: some(fc.constant("0")),
});

/** The guest's root disk: /dev/pmem0. */
export const DISK = { Major: 259, Minor: 0 };
/** Without 0, which is no limit for guestd and a kernel error for crun 1.8. */
const throttle = some(fc.constantFrom(100, 2 * MIB).map((Rate) => [{ ...DISK, Rate }]));

const io = fc.record({
  Weight: some(fc.constantFrom(10, 100, 1000)),
  ThrottleReadBpsDevice: throttle,
  ThrottleWriteBpsDevice: throttle,
  ThrottleReadIOPSDevice: throttle,
  ThrottleWriteIOPSDevice: throttle,
});

const hugePages = fc.constantFrom(0, 2 * MIB, 8 * MIB).map((Limit) => [{ Pagesize: "2MB", Limit }]);

const unified = fc
  .subarray([
    ["memory.high", "83886080"],
    ["memory.min", "1048576"],
    ["memory.oom.group", "1"],
    ["pids.max", "55"],
    ["cpu.weight", "77"],
    ["cpu.max", "40000 100000"],
  ])
  .map((entries) => Object.fromEntries(entries) as Record<string, string>);

/** Limits of the cgroup, for controllers that every guest has. */
export const arbitraryResources: fc.Arbitrary<Init<grpc.LinuxResources>> = fc.record({
  Memory: some(memory),
  CPU: some(cpu),
  Pids: some(fc.record({ Limit: fc.constantFrom(50, 1000, -1) })),
  BlockIO: some(io),
  HugepageLimits: some(hugePages),
  Unified: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, unified),
});
