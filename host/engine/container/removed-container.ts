import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";

/** Whether a call failed because the agent doesn't have the container, or removes it at this moment. */
export function isRemovedContainer(error: unknown): boolean {
  return error instanceof RpcError && (error.reason === "no-container" || error.reason === "being-removed");
}

/** Throws the agent's error if a container is gone or going. The update that asks the agent changes nothing. */
export async function throwIfRemoved(client: Pick<AgentClient, "agent">, id: string): Promise<void> {
  await client.agent.updateContainer({ container_id: id, resources: {} }).catch((error: unknown) => {
    if (isRemovedContainer(error)) throw error;
  });
}
