import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { floodAgent } from "./testing/flood-agent.ts";
import { HELD_UP_MS } from "./testing/held-up-ms.ts";

/** Most that requests being received, and V8's heap, may hold (ARCHITECTURE.md). */
const MOST_MIB = 64 + 64;

describeInNamespaces("endless HTTP/2 frames of all kinds at once", () => {
  it("leave the agent little memory to hold, and other clients answered", async () => {
    await using machine = await startHostAgent();
    const agent = await machine.agentPid();
    const { longest, after, peak } = await floodAgent(machine);
    expect(longest).toBeLessThan(HELD_UP_MS);
    expect(peak).toBeLessThan(MOST_MIB);
    expect(after).toBeLessThan(100);
    expect(await machine.agentPid(), "the agent is the same").toBe(agent);
  });
});
