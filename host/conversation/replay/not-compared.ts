/** A field, or several by patterns, that differ from run to run. */
export interface NotCompared {
  /** Method and field names; `*` stands for any part of a name, `[]` for the items of a list. */
  readonly path: string;
  readonly reason: string;
}

const STATS = "StatsContainer.cgroup_stats";

/** Fields that replay doesn't compare. `--ignore` adds to them. */
export const NOT_COMPARED: readonly NotCompared[] = [
  { path: `${STATS}.cpu_stats.cpu_usage.*`, reason: "times" },
  { path: `${STATS}.cpu_stats.throttling_data.*`, reason: "times" },
  { path: `${STATS}.memory_stats.cache`, reason: "memory" },
  { path: `${STATS}.memory_stats.*usage.*`, reason: "memory" },
  { path: `${STATS}.memory_stats.stats`, reason: "memory" },
  { path: `${STATS}.pids_stats.*`, reason: "counters" },
  { path: `${STATS}.blkio_stats.*`, reason: "counters" },
  { path: `${STATS}.hugetlb_stats.*`, reason: "memory" },
  { path: "StatsContainer.network_stats[].rx_*", reason: "counters" },
  { path: "StatsContainer.network_stats[].tx_*", reason: "counters" },
  { path: "GetMetrics.metrics", reason: "metrics" },
  { path: "Explain.steps[].micros", reason: "times" },
  { path: "GetVolumeStats.usage[].available", reason: "a volume's use" },
  { path: "GetVolumeStats.usage[].total", reason: "a volume's size" },
  { path: "GetVolumeStats.usage[].used", reason: "a volume's use" },
  { path: "GetGuestDetails.mem_block_size_bytes", reason: "memory" },
  { path: "GetGuestDetails.agent_details.version", reason: "the agent's version" },
  { path: "GetGuestDetails.agent_details.*_handlers[]", reason: "a set in any order" },
  { path: "GetGuestDetails.agent_details.extra_features[]", reason: "a set in any order" },
  { path: "Version.*", reason: "versions" },
  { path: "Running.*", reason: "versions, and a count of agents" },
  { path: "Kill.generation", reason: "a count of agents" },
  { path: "Upgrade.generation", reason: "a count of agents" },
];

/** Returns a function that tells whether a path such as "GetMetrics.metrics" isn't compared, because of itself or a part before. */
export function notCompared(ignored: readonly string[] = []): (path: string) => boolean {
  const paths = [...NOT_COMPARED.map(({ path }) => path), ...ignored];
  const expressions = paths.map((path) => {
    const literal = path.replace(/[\\^$+?.()|[\]{}]/g, "\\$&").replaceAll("*", "[^.[]*");
    return new RegExp(`^${literal}(\\.|\\[|$)`);
  });
  return (path) => expressions.some((expression) => expression.test(path));
}
