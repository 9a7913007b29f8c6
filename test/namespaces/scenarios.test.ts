import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { hostileFrames, lastScenarios, scenariosOver } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("the agent in namespaces", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("ttrpc", () => machine, { limits: false });
  scenariosOver("grpc", () => machine, { limits: false });
  hostileFrames(() => machine);
  lastScenarios("ttrpc", () => machine, { limits: false });
});
