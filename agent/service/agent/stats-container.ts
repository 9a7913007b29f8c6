import { hugePageSizes, readCgroupStats } from "../../container/cgroup/cgroup-stats.ts";
import { parseNetworkCounters } from "../../container/cgroup/network-counters.ts";
import { findContainer } from "../find-container.ts";
import type { Agent, Rpc } from "../rpc.ts";
import { statsMessage } from "../stats-message.ts";

const HUGE_PAGES = "/sys/kernel/mm/hugepages";

export const statsContainer: Rpc<"StatsContainer"> = {
  afterDeath: "repeat",
  async handle(agent, request) {
    const { cgroup, init } = findContainer(agent, request.container_id, "invalid-argument");
    const sizes = hugePageSizes(agent.exists(HUGE_PAGES) ? agent.list(HUGE_PAGES) : []);
    const stats = readCgroupStats((path) => readOptional(agent, path), cgroup, sizes);
    // The init process has the container's network namespace. After its end the pid may belong to another process.
    const network = init.status === undefined ? readOptional(agent, `/proc/${init.pid}/net/dev`) : undefined;
    return statsMessage(stats, parseNetworkCounters(network ?? ""));
  },
};

/** Returns undefined if the file doesn't exist or has just been removed with its cgroup. */
function readOptional(agent: Agent, path: string): string | undefined {
  try {
    return agent.readText(path);
  } catch {
    return undefined;
  }
}
