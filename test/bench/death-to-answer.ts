import { startHostAgent } from "../agent/host-agent.ts";
import type { Samples } from "./samples.ts";

/**
 * Kills an agent and adds the ms until the next one answers a Check on the connection that was open. Each time under an init of
 * its own, which starts the next agent at once, as it does after an agent that served for 10 s.
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
