import { expect, it } from "vitest";
import { startEater } from "./memory-eater.ts";
import type { Pod } from "./pod.ts";

/** Registers the scenario of a poll that outlives the agent: over ttRPC, whose connections do, and in a guest only. */
export function openPollScenario(pod: () => Pod): void {
  it("the next agent answers, on its connection, a poll for OOM events that was open when the agent died", async () => {
    const { client, machine } = pod();
    const container_id = await startEater(pod());
    let reported: string | undefined;
    const poll = client.agent.getOOMEvent({}, { timeoutMs: 60_000 }).then((event) => {
      reported = event.container_id;
    });
    await client.health.check({}); // the agent has received the poll
    await machine.killAgent();
    await client.health.check({}); // the next one has too
    expect(reported).toBeUndefined();
    await client.agent.writeStdin({ container_id, exec_id: container_id, data: Buffer.from("go\n") });
    expect((await client.agent.waitProcess({ container_id, exec_id: container_id })).status).toBe(137);
    await poll;
    expect(reported).toBe(container_id);
    await pod().remove(container_id);
  });
}
