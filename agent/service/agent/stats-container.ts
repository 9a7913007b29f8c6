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
    // Its network namespace is that of its init process; the number of one that has ended may be another's.
    const network = init.status === undefined ? readOptional(agent, `/proc/${init.pid}/net/dev`) : undefined;
    return statsMessage(stats, parseNetworkCounters(network ?? ""));
  },
};

/** Undefined for a file that isn't there, or that went with its cgroup just now. */
function readOptional(agent: Agent, path: string): string | undefined {
  try {
    return agent.readText(path);
  } catch {
    return undefined;
  }
}
