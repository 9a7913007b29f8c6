import { setTimeout as delay } from "node:timers/promises";
import { type AgentClient, connect } from "../../client/agent-client.ts";

const LIMIT_MS = 10_000;
const RETRY_MS = 5;

/**
 * Connects to the agent of a guest that continues after its vsock device was replaced. The new device numbers its
 * connections from the start, and the guest refuses one whose number an old connection had, until the agent has closed
 * that. If `died` is aborted, fails earlier. The client connects again if the agent is killed, whose next one doesn't know a
 * connection on which nothing was called.
 */
export async function connectRestored(address: string, died?: AbortSignal): Promise<AgentClient> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      return await connect(address, { again: true });
    } catch (error) {
      if (performance.now() > end || died?.aborted) throw error;
      await delay(RETRY_MS);
    }
  }
}
