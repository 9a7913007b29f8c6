import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";

/** Time limit in milliseconds for an agent to answer about its containers. */
export const ANSWER_MS = 5000;

/**
 * Returns a container's resource usage from its cgroup, or undefined if the agent doesn't know the container. Throws
 * RpcError.
 */
export async function containerStats(client: AgentClient, container: string): Promise<grpc.CgroupStats | undefined> {
  try {
    const { cgroup_stats } = await client.agent.statsContainer({ container_id: container }, { timeoutMs: ANSWER_MS });
    return cgroup_stats ?? undefined;
  } catch (error) {
    if (error instanceof RpcError && error.kind === "invalid-argument") return undefined;
    throw error;
  }
}
