import { expect, test } from "vitest";
import type { Init } from "../../../proto/codec.ts";
import { grpc } from "../../../proto/gen/messages.js";
import { matchingSamples } from "./metrics.ts";
import { stateCells } from "./ps.ts";
import { statsRows } from "./stats.ts";

/** As it comes from the wire, where a limit of 2^64-1 is the number 2^64. */
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

test("each number has a name, and what it is out of", () => {
  expect(statsRows(STATS)).toEqual([
    ["cpu time", "1.500 s", "user 1.000 s, system 0.500 s"],
    ["cpu throttled", "0.250 s", "3 of 10 periods"],
    ["memory", "1.0 MiB", "limit 64 MiB, peak 2.0 MiB, limit hit 2 times"],
    ["page cache", "1.0 KiB", ""],
    ["tasks", "3", "limit none"],
    ["disk", "4.0 KiB", "read; 0 B written"],
  ]);
});

test("a controller that the guest lacks has no row", () => {
  expect(statsRows(null)).toEqual([]);
  expect(statsRows(decoded({}))).toEqual([]);
});

test("no limit is told as none", () => {
  const [row] = statsRows(decoded({ memory_stats: { usage: { usage: 0, limit: 2 ** 64 - 1 } } }));
  expect(row).toEqual(["memory", "0 B", "limit none"]);
});

test("ps tells by the tasks whether a container runs", () => {
  expect(stateCells(STATS)).toEqual(["running", "3", "1.0 MiB"]);
  expect(stateCells(decoded({ pids_stats: { current: 0 } }))).toEqual(["exited", "0", ""]);
  expect(stateCells(null)).toEqual(["unknown", "", ""]);
});

test("metrics that are looked for come without their comments", () => {
  const text = '# HELP a_total A.\n# TYPE a_total counter\na_total 1\nb{item="a"} 2\nc 3\n';
  expect(matchingSamples(text, /a/)).toBe('a_total 1\nb{item="a"} 2\n');
});
