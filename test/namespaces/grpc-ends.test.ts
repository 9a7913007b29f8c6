import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { lastScenarios } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/**
 * Uses its own agent, because one that was killed often restarts only after a delay. The other scenarios are in
 * scenarios.test.ts.
 */
describeInNamespaces("the agent in namespaces", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  lastScenarios("grpc", () => machine, { limits: false });
});
