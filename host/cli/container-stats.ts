import type { grpc } from "../../proto/gen/messages.js";
import type { AgentClient } from "../client/agent-client.ts";
import { RpcError } from "../client/rpc-error.ts";

/** Milliseconds in which an agent answers about its containers, or counts as silent. */
export const ANSWER_MS = 5000;

/** Returns what a container uses, by its cgroup; undefined where the agent doesn't know it. Throws RpcError. */
export async function containerStats(client: AgentClient, container: string): Promise<grpc.CgroupStats | undefined> {
  try {
    const { cgroup_stats } = await client.agent.statsContainer({ container_id: container }, { timeoutMs: ANSWER_MS });
    return cgroup_stats ?? undefined;
  } catch (error) {
    if (error instanceof RpcError && error.kind === "invalid-argument") return undefined;
    throw error;
  }
}
