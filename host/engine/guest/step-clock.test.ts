import { expect, test, vi } from "vitest";
import type { AgentClient } from "../../client/agent-client.ts";
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

test("repeats calls until one is as fast as the last, and leaves the clock right wherever in its time it arrived", async () => {
  vi.useFakeTimers();
  /** Returns the number of calls, and the last error in ms, if they take these times and arrive after this share of them. */
  const steps = async (share: number, ...delays: number[]) => {
    let [calls, error] = [0, 0];
    const setGuestDateTime = async ({ Sec, Usec }: { Sec: number; Usec: number }) => {
      const delay = delays[calls++] ?? delays.at(-1) ?? 0;
      error = Math.abs(Sec * 1000 + Usec / 1000 - (Date.now() + delay * share));
      vi.setSystemTime(Date.now() + delay);
    };
    await stepClock(scriptedAgent({ setGuestDateTime } as never) as Pick<AgentClient, "agent">);
    return { calls, error };
  };
  for (const share of [0, 0.25, 0.5, 1]) {
    const slowThenFast = await steps(share, 300, 5000, 30);
    expect([slowThenFast.calls, slowThenFast.error <= 15]).toEqual([4, true]);
    const even = await steps(share, 70);
    expect([even.calls, even.error <= 35]).toEqual([2, true]);
    const slow = await steps(share, 300);
    expect([slow.calls, slow.error <= 150]).toEqual([21, true]);
  }
  vi.useRealTimers();
});
