import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { containerScenariosOver, hostileFrames, lastScenarios, scenariosOver } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("the agent in namespaces", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("ttrpc", () => machine, { limits: false });
  // All scenarios over gRPC run in test/nightly.
  containerScenariosOver("grpc", () => machine);
  hostileFrames(() => machine);
  lastScenarios("ttrpc", () => machine, { limits: false });
});
