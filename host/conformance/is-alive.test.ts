import { expect, test } from "vitest";
import { isAlive } from "./is-alive.ts";
import { Answer, type Handlers, MINIMAL, startMinimalAgent } from "./testing/minimal-agent.ts";

const LIMIT_MS = 500;

async function isAliveWith(handlers: Handlers): Promise<boolean> {
  await using agent = await startMinimalAgent(handlers);
  return await isAlive(agent.address, "ttrpc", LIMIT_MS);
}

test("an agent is alive if it answers, be it by a refusal or without health checks", async () => {
  const refuse = () => {
    throw new Answer("internal", "no such container");
  };
  expect(await isAliveWith({ ...MINIMAL, StatsContainer: refuse })).toBe(true);
  expect(await isAliveWith({})).toBe(true);
});

test("an agent whose containers are locked for ever is not alive, although it answers health checks", async () => {
  expect(await isAliveWith({ ...MINIMAL, StatsContainer: () => undefined })).toBe(false);
});
