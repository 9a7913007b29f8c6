import { expect, test } from "vitest";
import type { Init } from "../../../proto/codec.ts";
import { grpc } from "../../../proto/gen/messages.js";
import { liveState } from "../output/process-list.ts";
import { statsTable } from "../output/stats-table.ts";
import { matchingSamples } from "./metrics.ts";
import { statsRows } from "./stats.ts";

/** Round-trips through the wire format, where a limit of 2^64-1 becomes the number 2^64. */
function decoded(stats: Init<grpc.CgroupStats>): grpc.CgroupStats {
  return grpc.CgroupStats.decode(grpc.CgroupStats.encode(stats).finish());
}

const STATS = decoded({
  cpu_stats: {
    cpu_usage: { total_usage: 1_500_000_000, usage_in_usermode: 1_000_000_000, usage_in_kernelmode: 500_000_000 },
    throttling_data: { periods: 10, throttled_periods: 3, throttled_time: 250_000_000 },
  },
  memory_stats: { cache: 1024, usage: { usage: 2 ** 20, max_usage: 2 ** 21, failcnt: 2, limit: 2 ** 26 } },
  pids_stats: { current: 3, limit: 0 },
  blkio_stats: { io_service_bytes_recursive: [1, 2].map((major) => ({ major, op: "read", value: 2048 })) },
});

test("shows each number with its name and limit", () => {
  expect(statsRows(STATS)).toEqual([
    ["cpu time", "1.500 s", "user 1.000 s, system 0.500 s"],
    ["cpu throttled", "0.250 s", "3 of 10 periods"],
    ["memory", "1.0 MiB", "limit 64 MiB, peak 2.0 MiB, limit hit 2 times"],
    ["page cache", "1.0 KiB", ""],
    ["tasks", "3", "limit none"],
    ["disk", "4.0 KiB", "read; 0 B written"],
  ]);
});

test("omits the row of a controller that the guest lacks", () => {
  expect(statsRows(null)).toEqual([]);
  expect(statsRows(decoded({}))).toEqual([]);
});

test("shows a missing limit as none", () => {
  const [row] = statsRows(decoded({ memory_stats: { usage: { usage: 0, limit: 2 ** 64 - 1 } } }));
  expect(row).toEqual(["memory", "0 B", "limit none"]);
});

test("derives a container's state in ps from its tasks", () => {
  const web = { container: "web", exec: "web" };
  expect(liveState(web, STATS)).toEqual({ state: "running", tasks: 3, memory: 2 ** 20 });
  expect(liveState({ ...web, exec: "x-1" }, STATS)).toEqual({ state: "exec" });
  expect(liveState({ ...web, paused: true }, STATS)).toMatchObject({ state: "paused" });
  expect(liveState(web, decoded({ pids_stats: { current: 0 } }))).toEqual({ state: "exited", tasks: 0 });
  expect(liveState(web, decoded({}))).toEqual({ state: "unknown" });
  expect(liveState(web, undefined)).toEqual({ state: "gone" });
});

test("shows CPU usage in the table of all containers once there are two samples", () => {
  const sample = { guest: "one", container: "web", stats: STATS, at: 1000 };
  const line = (text: string) => text.split("\n")[1]?.split(/ {2,}/);
  const rest = ["1.50 s", "1.0 MiB", "64 MiB", "3", "4.0 KiB", "0 B"];
  expect(line(statsTable([sample]))).toEqual(["one", "web", "-", ...rest]);
  const idle = decoded({ cpu_stats: { cpu_usage: { total_usage: 1_000_000_000 } } });
  expect(line(statsTable([sample], [{ ...sample, stats: idle, at: 0 }]))).toEqual(["one", "web", "50.0 %", ...rest]);
});

test("prints matching metrics without their comments", () => {
  const text = '# HELP a_total A.\n# TYPE a_total counter\na_total 1\nb{item="a"} 2\nc 3\n';
  expect(matchingSamples(text, /a/)).toBe('a_total 1\nb{item="a"} 2\n');
});
