import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { guestd } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { becomeClone, nextEpoch, presentTime } from "./become-clone.ts";

const { BEFORE_ANSWER, WHEN_QUIET } = guestd.v1.AgentReplacement;

test("clones of one snapshot get different epochs, and clones of clones higher ones, all exact in a double", () => {
  expect(new Set(Array.from({ length: 1000 }, () => nextEpoch(7))).size).toBe(1000);
  let epoch = 0;
  for (let generation = 0; generation < 63; generation++) {
    const next = nextEpoch(epoch);
    expect(next).toBeGreaterThan(epoch);
    epoch = next;
  }
  expect(Number.isSafeInteger(epoch)).toBe(true);
});

test("the present time is in seconds and nanoseconds", () => {
  expect(presentTime(1_900_000_000_123)).toEqual({ realtime_seconds: 1_900_000_000, realtime_nanos: 123_000_000 });
});

test("a clone gets randomness, a host name, its resolv.conf, and the time again if the call was slow", async () => {
  const requests: unknown[] = [];
  const { agent: guest } = scriptedAgent({ resumed: async (request) => requests.push(request) });
  let late = true;
  const times: unknown[] = [];
  const { agent } = scriptedAgent({
    setGuestDateTime: async (request) => {
      times.push(request);
      if (late) await setTimeout(60);
      late = false;
    },
  });
  const client = { guest, agent } as unknown as AgentClient;
  const epoch = await becomeClone(client, 7, { hostname: "clone", dns: ["nameserver 10.0.2.3"], keepsAgent: true });
  await becomeClone(client, 7, { hostname: "other" });
  expect(requests).toMatchObject([
    {
      epoch,
      hostname: "clone",
      replacement: WHEN_QUIET,
      dns: ["nameserver 10.0.2.3"],
      realtime_seconds: expect.any(Number),
    },
    { hostname: "other", dns: [], replacement: BEFORE_ANSWER },
  ]);
  const [one, two] = requests as { entropy: Buffer }[];
  expect(one?.entropy.length).toBe(64);
  expect(one?.entropy.equals(two?.entropy ?? Buffer.alloc(0))).toBe(false);
  expect(times).toHaveLength(3);
});
