import fc from "fast-check";
import { expect, test } from "vitest";
import { CallDurations } from "./call-durations.ts";
import { formatMetrics } from "./format-metrics.ts";

test("each bucket counts calls up to its bound, and the last counts all", () => {
  const durations = new CallDurations();
  for (const seconds of [0.0005, 0.001, 0.3, 60]) durations.note("Check", seconds);
  expect(formatMetrics([durations.family()]).split("\n").slice(1)).toEqual([
    "# TYPE guestd_rpc_duration_seconds histogram",
    'guestd_rpc_duration_seconds_bucket{method="Check",le="0.001"} 2',
    'guestd_rpc_duration_seconds_bucket{method="Check",le="0.005"} 2',
    'guestd_rpc_duration_seconds_bucket{method="Check",le="0.025"} 2',
    'guestd_rpc_duration_seconds_bucket{method="Check",le="0.1"} 2',
    'guestd_rpc_duration_seconds_bucket{method="Check",le="0.5"} 3',
    'guestd_rpc_duration_seconds_bucket{method="Check",le="2.5"} 3',
    'guestd_rpc_duration_seconds_bucket{method="Check",le="10"} 3',
    'guestd_rpc_duration_seconds_bucket{method="Check",le="+Inf"} 4',
    'guestd_rpc_duration_seconds_sum{method="Check"} 60.3015',
    'guestd_rpc_duration_seconds_count{method="Check"} 4',
    "",
  ]);
});

test("there is no histogram before the first call", () => {
  expect(formatMetrics([new CallDurations().family()])).toBe("");
});

test("bucket counts never fall and end at the total", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true })), (all) => {
      const durations = new CallDurations();
      for (const seconds of all) durations.note("x", seconds);
      const { samples } = durations.family();
      const buckets = samples.filter(({ suffix }) => suffix === "_bucket").map(({ value }) => value);
      expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
      if (all.length > 0) expect(buckets.at(-1)).toBe(all.length);
    }),
  );
});
