import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { lastScenarios, scenariosOver } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { silentConnections } from "../scenarios/silent-connections.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("the agent in namespaces", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  // What depends on the machine runs in test/vm, and in test/nightly here too, as all scenarios over gRPC do.
  scenariosOver("ttrpc", () => machine, { limits: false, parts: ["agent", "kernel"] });
  silentConnections(() => machine);
  lastScenarios("ttrpc", () => machine, { limits: false });
});
