import { afterAll, beforeAll, describe } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { lastScenarios, scenariosOver } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

// `npm test` runs the scenarios of containers over gRPC in a guest, and over ttRPC those that depend on the agent alone in
// namespaces, and those that depend on the kernel or end the agent in a guest.

describeInNamespaces("the agent in namespaces", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("ttrpc", () => machine, { limits: false, parts: ["kernel"] });
  scenariosOver("grpc", () => machine, { limits: false });
  lastScenarios("grpc", () => machine, { limits: false });
});

describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("ttrpc", () => machine, { limits: true, parts: ["agent"] });
  scenariosOver("grpc", () => machine, { limits: true });
  lastScenarios("grpc", () => machine, { limits: true });
});
