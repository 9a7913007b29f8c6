import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { sizeText } from "../../size-text.ts";

/** Time limit in milliseconds for an agent to answer about its containers. */
export const ANSWER_MS = 5000;

/**
 * Returns a container's resource usage from its cgroup, or undefined if the agent doesn't know the container. Throws
 * RpcError.
 */
export async function containerStats(
  client: Pick<AgentClient, "agent">,
  container: string,
): Promise<grpc.CgroupStats | undefined> {
  try {
    const { cgroup_stats } = await client.agent.statsContainer({ container_id: container }, { timeoutMs: ANSWER_MS });
    return cgroup_stats ?? undefined;
  } catch (error) {
    if (error instanceof RpcError && error.kind === "invalid-argument") return undefined;
    throw error;
  }
}

/** Formats a memory limit. Values near the top of the range mean that there is no limit. */
export function limitText(bytes: number): string {
  return bytes >= 2 ** 62 ? "none" : sizeText(bytes);
}
