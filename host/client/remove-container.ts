import type { AgentClient } from "./agent-client.ts";
import type { CallOptions } from "./rpc-channel.ts";

/** Seconds for which the agent waits for the container's processes after it has killed them. */
const REMOVE_SECONDS = 30;

/** Has the agent kill a container's processes and remove it. Throws RpcError. */
export async function removeFromAgent(
  { agent }: Pick<AgentClient, "agent">,
  container: string,
  options?: CallOptions,
): Promise<void> {
  await agent.removeContainer({ container_id: container, timeout: REMOVE_SECONDS }, options);
}
