import { readCgroupStats } from "../../container/cgroup-stats.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";
import { statsMessage } from "../stats-message.ts";

export const statsContainer: Rpc<"StatsContainer"> = async (agent, request) => {
  const { cgroup } = findContainer(agent, request.container_id, "invalid-argument");
  const read = (path: string) => (agent.exists(path) ? agent.readText(path) : undefined);
  return statsMessage(readCgroupStats(read, cgroup));
};
