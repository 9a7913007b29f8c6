import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { floodAgent } from "./testing/flood-agent.ts";
import { HELD_UP_MS } from "./testing/held-up-ms.ts";

/** Most that requests being received may hold (ARCHITECTURE.md). */
const MAX_REQUESTS_MIB = 256;

describeInNamespaces("endless HTTP/2 frames of all kinds at once", () => {
  it("leave the agent little memory to hold, and other clients answered", async () => {
    await using machine = await startHostAgent();
    const agent = await machine.agentPid();
    const { longest, peak, now } = await floodAgent(machine);
    expect(longest).toBeLessThan(HELD_UP_MS);
    expect(peak).toBeLessThan(MAX_REQUESTS_MIB);
    await expect.poll(now).toBeLessThan(100);
    expect(await machine.agentPid(), "the agent is the same").toBe(agent);
  });
});
