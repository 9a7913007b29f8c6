import type { Init } from "../../proto/codec.ts";
import { type google, io } from "../../proto/gen/containerd.js";
import type { grpc } from "../../proto/gen/messages.js";

const { Metrics } = io.containerd.cgroups.v2;

/** Returns what a container's cgroup in the guest counts as engines expect it: that of a cgroup v2, times in microseconds. */
export function statsOf({ cgroup_stats: stats }: grpc.StatsContainerResponse): Init<google.protobuf.Any> {
  const { cpu_stats: cpu, memory_stats: memory, pids_stats: pids } = stats ?? {};
  const { cpu_usage: used, throttling_data: throttled } = cpu ?? {};
  const counted = memory?.stats ?? {};
  const metrics: Init<io.containerd.cgroups.v2.Metrics> = {
    pids: { current: pids?.current, limit: pids?.limit },
    cpu: {
      usage_usec: micros(used?.total_usage),
      user_usec: micros(used?.usage_in_usermode),
      system_usec: micros(used?.usage_in_kernelmode),
      nr_periods: throttled?.periods,
      nr_throttled: throttled?.throttled_periods,
      throttled_usec: micros(throttled?.throttled_time),
    },
    memory: {
      ...Object.fromEntries(COUNTED.map((name) => [name, counted[name]])),
      usage: memory?.usage?.usage,
      usage_limit: memory?.usage?.limit,
      swap_usage: memory?.swap_usage?.usage,
      swap_limit: memory?.swap_usage?.limit,
    },
  };
  return { type_url: "io.containerd.cgroups.v2.Metrics", value: Metrics.encode(metrics).finish() };
}

/** Lines of memory.stat that the message has fields for. */
const COUNTED = [
  ...["anon", "file", "inactive_anon", "active_anon", "inactive_file", "active_file"],
  ...["pgfault", "pgmajfault"],
];

const micros = (nanoseconds: number | undefined) => Math.floor((nanoseconds ?? 0) / 1000);
