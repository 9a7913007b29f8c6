import type { CaseGroup, ConformanceCase } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, holds } from "../check.ts";
import { CONTRACT_METRICS } from "../contract-metrics.ts";
import { OCI_LINUX, withLinux, withResources } from "../oci-spec.ts";
import { parseMetrics } from "../parse-metrics.ts";

const MIB = 1 << 20;

async function scrape({ agent }: CaseContext): Promise<ReturnType<typeof parseMetrics>> {
  return parseMetrics((await agent.getMetrics({})).metrics);
}

const METRIC_CASES = Object.entries(CONTRACT_METRICS).map(
  ([name, { type, labels, items, optional }]): ConformanceCase => ({
    name: `GetMetrics: has ${name} with its type, labels and items`,
    level: "should",
    source: "metrics of the reference; kata-monitor and dashboards",
    run: async (context) => {
      const found = (await scrape(context)).get(name);
      if (found === undefined && optional !== undefined) context.skip(optional);
      holds(found !== undefined, `${name} exists`);
      equal(found.type, type, "the type");
      equal(found.labels.toSorted(), labels.toSorted(), "the labels");
      const missing = items.filter((item) => !found.items.has(item));
      equal(missing, [], "the missing items");
    },
  }),
);

export const statistics: CaseGroup = {
  name: "statistics",
  title: "Statistics and metrics",
  parallel: true,
  cases: [
    {
      name: "StatsContainer: answers for a running container",
      level: "must",
      source: "Go shim and runtime-rs, kubectl top",
      needs: ["rootfs"],
      run: async (context) => {
        const { cgroup_stats } = await context.agent.statsContainer({ container_id: await context.sleeper() });
        holds(cgroup_stats !== null, "cgroup_stats is set");
      },
    },
    {
      name: "StatsContainer: counts the CPU time of the container's processes",
      level: "must",
      source: "agent.proto, CpuUsage in nanoseconds",
      needs: ["rootfs"],
      run: async (context) => {
        const line = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo done; sleep 1000";
        const id = await context.start(["sh", "-c", line]);
        await context.readUntil("done\n", id);
        const { cgroup_stats } = await context.agent.statsContainer({ container_id: id });
        const total = cgroup_stats?.cpu_stats?.cpu_usage?.total_usage ?? 0;
        holds(total > 1_000_000, "total_usage is over a millisecond", total);
      },
    },
    {
      name: "StatsContainer: reports memory in use and its limit",
      level: "must",
      source: "kubectl top; agent.proto, MemoryData",
      needs: ["memory-limits"],
      run: async (context) => {
        const id = await context.sleeper(withResources({ Memory: { Limit: 64 * MIB } }));
        const { cgroup_stats } = await context.agent.statsContainer({ container_id: id });
        const usage = cgroup_stats?.memory_stats?.usage;
        equal(usage?.limit, 64 * MIB, "the limit");
        holds((usage?.usage ?? 0) > 4096, "usage is over a page", usage?.usage);
      },
    },
    {
      name: "StatsContainer: reports the number of processes and its limit",
      level: "should",
      source: "agent.proto, PidsStats",
      needs: ["memory-limits"],
      run: async (context) => {
        const id = await context.sleeper(withResources({ Pids: { Limit: 44 } }));
        const { cgroup_stats } = await context.agent.statsContainer({ container_id: id });
        const { current, limit } = cgroup_stats?.pids_stats ?? {};
        equal([current, limit], [1, 44], "pids_stats.current and limit");
      },
    },
    {
      name: "StatsContainer: answers for a container that has ended",
      level: "should",
      source: "hosts collect until the removal",
      needs: ["rootfs"],
      run: async (context) => {
        const id = await context.start(["true"]);
        await context.finish(id);
        await context.agent.statsContainer({ container_id: id });
      },
    },
    {
      name: "StatsContainer: counts the traffic of the container's own network namespace",
      level: "may",
      source: "guestd; the reference leaves network_stats empty",
      needs: ["rootfs"],
      run: async (context) => {
        const Namespaces = [...(OCI_LINUX.Namespaces ?? []), { Type: "network" }];
        const id = await context.sleeper(withLinux({ Namespaces }));
        const { network_stats } = await context.agent.statsContainer({ container_id: id });
        holds(
          network_stats.some(({ name }) => name === "lo"),
          "network_stats has lo",
          network_stats,
        );
      },
    },
    {
      name: "GetMetrics: is Prometheus text",
      level: "should",
      source: "Prometheus exposition format 0.0.4",
      run: async (context) => {
        holds((await scrape(context)).size > 0, "there are metrics");
      },
    },
    {
      name: "GetMetrics: counts its scrapes",
      level: "should",
      source: "metrics of the reference, kata_agent_scrape_count",
      run: async (context) => {
        const count = async () => (await scrape(context)).get("kata_agent_scrape_count")?.values[0] ?? Number.NaN;
        const first = await count();
        const second = await count();
        holds(second > first, "the second count is higher", [first, second]);
      },
    },
    ...METRIC_CASES,
  ],
};
