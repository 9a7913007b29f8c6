import type { AgentClient } from "../../client/agent-client.ts";
import { containerStats, limitText } from "../output/container-stats.ts";

/** Returns a line for a killed container that had used all the memory it may; undefined for others, or without an answer. */
export async function memoryHint(client: Pick<AgentClient, "agent">, id: string): Promise<string | undefined> {
  const stats = await containerStats(client, id).catch(() => undefined);
  const { failcnt = 0, limit = 0 } = stats?.memory_stats?.usage ?? {};
  if (failcnt === 0) return undefined;
  return `container ${id}: killed after it had reached its memory limit of ${limitText(limit)}; raise --memory`;
}
