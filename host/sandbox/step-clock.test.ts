import { expect, test } from "vitest";
import type { AgentClient } from "../client/agent-client.ts";
import { stepClock } from "./step-clock.ts";
import { scriptedAgent } from "./testing/scripted-agent.ts";

test("steps the clock once if the call is fast, with whole seconds and microseconds", async () => {
  const times: { Sec: number; Usec: number }[] = [];
  const agent = scriptedAgent({ setGuestDateTime: async (time) => times.push(time as never) });
  const before = Date.now();
  await stepClock(agent as Pick<AgentClient, "agent">);
  expect(times).toHaveLength(1);
  const [{ Sec, Usec } = { Sec: 0, Usec: 0 }] = times;
  expect(Sec * 1000 + Usec / 1000).toBeGreaterThanOrEqual(before);
  expect(Sec * 1000 + Usec / 1000).toBeLessThanOrEqual(Date.now());
});
