import { startHostAgent } from "../agent/host-agent.ts";
import type { Samples } from "./samples.ts";

/**
 * Kills an agent and records the ms until the next one answers a Check on the same connection. Uses a new init each
 * time, which restarts the agent immediately, as it does for one that has served for 10 s.
 */
export async function deathToAnswer(agentCommand: readonly string[], into: Samples): Promise<void> {
  await using machine = await startHostAgent({ agentCommand });
  await using client = await machine.connect();
  await client.health.check({});
  const pid = await machine.agentPid();
  await into.time(() => {
    process.kill(pid, "SIGKILL");
    return client.health.check({});
  });
}
