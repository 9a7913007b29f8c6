import { expect, test } from "vitest";
import type { AgentClient } from "../../client/agent-client.ts";
import { quiesce } from "./quiesce.ts";
import { scriptedAgent } from "./testing/scripted-agent.ts";

const CONNECTION = { kind: "connection", object: "2:7 ttrpc", consequence: "a clone closes it" };
const SHARE = { kind: "share", object: "/shared", consequence: "is outside the snapshot" };

function agentWith(losses: readonly unknown[], resumed: unknown[]): AgentClient {
  const { agent: guest } = scriptedAgent({
    running: async () => ({ version: "1.2.3" }),
    quiesce: async () => ({ epoch: 5, losses }),
    resumed: async (request) => resumed.push(request),
  });
  return { guest } as unknown as AgentClient;
}

test("a snapshot records the agent's version and what it loses", async () => {
  const resumed: unknown[] = [];
  const facts = await quiesce(agentWith([CONNECTION], resumed), "web");
  expect(facts).toEqual({ guest: "web", epoch: 5, notes: { agent: "1.2.3", losses: [CONNECTION] } });
  expect(resumed).toEqual([]);
});

test("a share in use is refused, and the guest continues", async () => {
  const resumed: unknown[] = [];
  await expect(quiesce(agentWith([CONNECTION, SHARE], resumed), "web")).rejects.toThrow(
    "save guest web: containers use the share at /shared; remove them, or use a guest without -v and --rootfs share",
  );
  expect(resumed).toEqual([{ epoch: 5 }]);
});
