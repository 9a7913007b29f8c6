import { expect, test, vi } from "vitest";
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

test("repeats a slow call until one is fast, and for a slow guest until one is as fast as it gets", async () => {
  vi.useFakeTimers();
  const steps = async (...delays: number[]) => {
    let calls = 0;
    const setGuestDateTime = async () => {
      vi.setSystemTime(Date.now() + (delays[calls++] ?? delays.at(-1) ?? 0));
    };
    await stepClock(scriptedAgent({ setGuestDateTime }) as Pick<AgentClient, "agent">);
    return calls;
  };
  expect(await steps(300, 5000, 30)).toBe(3);
  expect(await steps(70)).toBe(6);
  expect(await steps(70, 70, 70, 70, 70, 5000, 70)).toBe(7);
  expect(await steps(300)).toBe(16);
  vi.useRealTimers();
});
