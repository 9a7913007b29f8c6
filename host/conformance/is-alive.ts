import { connect } from "../client/agent-client.ts";
import { RpcError } from "../client/rpc-error.ts";
import type { Protocol } from "./session.ts";

const LIMIT_MS = 10_000;

/**
 * True if the agent answers a health check, and then a call about a container, each within 10 s on a new connection. An agent
 * whose containers are locked for ever answers only the first.
 */
export async function isAlive(address: string, protocol: Protocol, timeoutMs = LIMIT_MS): Promise<boolean> {
  try {
    await using client = await connect(address, { protocol, timeoutMs });
    const health = await errorOf(client.health.check({}, { timeoutMs }));
    // An agent without health checks answers too.
    if (health !== undefined && health.kind !== "unimplemented") return false;
    const stats = await errorOf(client.agent.statsContainer({ container_id: "conf-no-such" }, { timeoutMs }));
    return stats === undefined || !["deadline-exceeded", "unavailable"].includes(stats.kind);
  } catch {
    return false;
  }
}

/** Returns the agent's refusal of a call. Rejects if the call failed otherwise. */
async function errorOf(call: Promise<unknown>): Promise<RpcError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
}
