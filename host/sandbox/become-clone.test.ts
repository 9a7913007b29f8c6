import { expect, test } from "vitest";
import type { AgentClient } from "../client/agent-client.ts";
import { becomeClone, nextEpoch, presentTime } from "./become-clone.ts";
import { scriptedAgent } from "./testing/scripted-agent.ts";

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

test("a clone gets randomness, time, a host name, and the network of its card", async () => {
  const requests: unknown[] = [];
  const { agent: guest } = scriptedAgent({ resumed: async (request) => requests.push(request) });
  const client = { guest } as unknown as AgentClient;
  const epoch = await becomeClone(client, 7, "clone", "02:00:00:00:00:01");
  await becomeClone(client, 7, "other");
  expect(requests).toMatchObject([
    {
      epoch,
      hostname: "clone",
      interfaces: [{ name: "eth0", hwAddr: "02:00:00:00:00:01", IPAddresses: [{ address: "10.0.2.15", mask: "24" }] }],
      routes: [{ gateway: "10.0.2.2", device: "eth0" }],
      dns: ["nameserver 10.0.2.3"],
      realtime_seconds: expect.any(Number),
    },
    { hostname: "other" },
  ]);
  const [one, two] = requests as { entropy: Buffer }[];
  expect(one?.entropy.length).toBe(64);
  expect(one?.entropy.equals(two?.entropy ?? Buffer.alloc(0))).toBe(false);
  expect(requests[1]).not.toHaveProperty("interfaces");
});
