import { expect, it } from "vitest";
import { floodAgent } from "../attack/testing/flood-agent.ts";
import { HELD_UP_MS } from "../attack/testing/held-up-ms.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";

describeInNamespaces("endless HTTP/2 frames of all kinds at once, without other tests beside", () => {
  it("cost the agent little memory, and other clients no response", async () => {
    await using machine = await startHostAgent();
    const agent = await machine.agentPid();
    const { longest, after } = await floodAgent(machine);
    expect(longest).toBeLessThan(HELD_UP_MS);
    expect(after).toBeLessThan(100);
    expect(await machine.agentPid(), "the agent is the same").toBe(agent);
  });
});
