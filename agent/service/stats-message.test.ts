import { expect, test } from "vitest";
import { grpc } from "../../proto/gen/messages.js";
import { UNLIMITED } from "../container/cgroup/cgroup-stats.ts";
import { statsMessage } from "./stats-message.ts";

const memory = {
  usage: 10,
  peak: 20,
  limit: UNLIMITED,
  limitHits: 3,
  oomKills: 1,
  swap: { usage: 1, limit: UNLIMITED, limitHits: 2 },
  stat: { file: 4, anon: 5, file_mapped: 6, inactive_file: 7, kernel: 8 },
};

function overTheWire(...args: Parameters<typeof statsMessage>) {
  return grpc.StatsContainerResponse.decode(grpc.StatsContainerResponse.encode(statsMessage(...args)).finish());
}

test("a missing memory limit is sent as the reference agent's number", () => {
  const { memory_stats } = overTheWire({ memory, hugetlb: {} }).cgroup_stats ?? {};
  expect(memory_stats?.usage).toEqual({ usage: 10, max_usage: 20, failcnt: 3, limit: UNLIMITED });
  expect(BigInt(memory_stats?.usage?.limit ?? 0)).toBe(9223372036854771712n);
  expect(memory_stats?.swap_usage).toMatchObject({ usage: 1, limit: UNLIMITED, failcnt: 2 });
  expect(memory_stats?.kernel_usage).toMatchObject({ usage: 8 });
});

test("the map has cgroup v1's names beside the kernel's", () => {
  const { memory_stats } = overTheWire({ memory, hugetlb: {} }).cgroup_stats ?? {};
  expect(memory_stats).toMatchObject({ cache: 4, use_hierarchy: true });
  expect(memory_stats?.stats).toEqual({
    ...memory.stat,
    ...{ cache: 4, rss: 5, mapped_file: 6 },
    ...{ total_cache: 4, total_rss: 5, total_mapped_file: 6, total_inactive_file: 7 },
  });
});

test("throttling is sent in nanoseconds", () => {
  const throttling = { periods: 10, throttledPeriods: 3, throttledTime: 25_000_000 };
  const cpu = { usage: 3, user: 2, system: 1, throttling };
  expect(overTheWire({ cpu, hugetlb: {} }).cgroup_stats?.cpu_stats).toMatchObject({
    cpu_usage: { total_usage: 3, percpu_usage: [], usage_in_kernelmode: 1, usage_in_usermode: 2 },
    throttling_data: { periods: 10, throttled_periods: 3, throttled_time: 25_000_000 },
  });
});

test("a missing limit of tasks is sent as 0, a limit as itself", () => {
  const pids = (limit: number) => overTheWire({ pids: { current: 1, limit }, hugetlb: {} }).cgroup_stats?.pids_stats;
  expect(pids(UNLIMITED)).toMatchObject({ current: 1, limit: 0 });
  expect(pids(100)).toMatchObject({ current: 1, limit: 100 });
});

test("bytes and requests of a device are where hosts with either cgroup version read them", () => {
  const io = [{ major: 254, minor: 1, rbytes: 1, wbytes: 2, rios: 3, wios: 4, dbytes: 5, dios: 6 }];
  const blkio = overTheWire({ io, hugetlb: {} }).cgroup_stats?.blkio_stats;
  const flat = (list: grpc.BlkioStatsEntry[] = []) => list.map((e) => `${e.major}:${e.minor} ${e.op} ${e.value}`);
  expect(flat(blkio?.io_service_bytes_recursive)).toEqual([
    "254:1 read 1",
    "254:1 write 2",
    "254:1 rios 3",
    "254:1 wios 4",
    "254:1 dbytes 5",
    "254:1 dios 6",
  ]);
  expect(flat(blkio?.io_serviced_recursive)).toEqual(["254:1 read 3", "254:1 write 4", "254:1 discard 6"]);
});

test("missing controllers have no message; huge pages and interfaces are passed through", () => {
  const received = { bytes: 1, packets: 2, errors: 3, dropped: 4 };
  const sent = { bytes: 5, packets: 6, errors: 7, dropped: 8 };
  const eth0 = { name: "eth0", received, sent };
  const message = overTheWire({ hugetlb: { "2MB": { usage: 1, failures: 2 } } }, [eth0]);
  expect(message.cgroup_stats).toMatchObject({
    cpu_stats: null,
    memory_stats: null,
    pids_stats: null,
    blkio_stats: null,
    hugetlb_stats: { "2MB": { usage: 1, max_usage: 0, failcnt: 2 } },
  });
  const { name, ...counters } = message.network_stats[0] ?? {};
  expect([name, ...Object.values(counters)]).toEqual(["eth0", 1, 2, 3, 4, 5, 6, 7, 8]);
});
