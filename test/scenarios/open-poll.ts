import { expect, it } from "vitest";
import { startEater } from "./memory-eater.ts";
import type { Pod } from "./pod.ts";

/** Over ttRPC, whose connections outlive the agent. In a real guest only. */
export function openPollScenario(pod: () => Pod): void {
  it("a poll for OOM events that was open when the agent died is answered by the next one, on its connection", async () => {
    const { client, machine } = pod();
    const container_id = await startEater(pod());
    let told: string | undefined;
    const poll = client.agent.getOOMEvent({}, { timeoutMs: 60_000 }).then((event) => {
      told = event.container_id;
    });
    await client.health.check({}); // the agent has the poll
    await machine.killAgent();
    await client.health.check({}); // the next one too
    expect(told).toBeUndefined();
    await client.agent.writeStdin({ container_id, exec_id: container_id, data: Buffer.from("go\n") });
    expect((await client.agent.waitProcess({ container_id, exec_id: container_id })).status).toBe(137);
    await poll;
    expect(told).toBe(container_id);
    await pod().remove(container_id);
  });
}
