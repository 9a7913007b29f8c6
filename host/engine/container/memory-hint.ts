import type { AgentClient } from "../../client/agent-client.ts";
import { OperationError } from "../../operation-error.ts";
import { sizeText } from "../../size-text.ts";
import { containerStats, limitText } from "./container-stats.ts";

/** Returns a line if the container has reached its memory limit; undefined if it hasn't, or the agent doesn't answer. */
export async function memoryHint(client: Pick<AgentClient, "agent">, id: string): Promise<string | undefined> {
  const stats = await containerStats(client, id).catch(() => undefined);
  const { failcnt = 0, limit = 0 } = stats?.memory_stats?.usage ?? {};
  if (failcnt === 0) return undefined;
  return `container ${id}: killed after it had reached its memory limit of ${limitText(limit)}; raise --memory`;
}

/** Throws OperationError if a new limit would kill the container: it uses more than that, apart from what the kernel can drop. */
export async function checkMemoryUse(client: Pick<AgentClient, "agent">, id: string, limit: number): Promise<void> {
  const memory = (await containerStats(client, id))?.memory_stats;
  const droppable = (memory?.cache ?? 0) - (memory?.stats?.["shmem"] ?? 0);
  const used = (memory?.usage?.usage ?? 0) - droppable;
  if (used < limit) return;
  const remedy = "raise --memory, or stop it first";
  throw new OperationError(`container ${id}: it uses ${sizeText(used)}, so ${sizeText(limit)} would end it; ${remedy}`);
}
