import { afterAll, beforeAll, describe } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { lastScenarios, scenariosOver } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

// `npm test` runs the scenarios of containers over gRPC in a guest, and over ttRPC those that the machine decides or that end
// the agent; the others in namespaces.

describeInNamespaces("the agent in namespaces", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("ttrpc", () => machine, { limits: false, parts: ["machine"] });
  scenariosOver("grpc", () => machine, { limits: false });
  lastScenarios("grpc", () => machine, { limits: false });
});

describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("ttrpc", () => machine, { limits: true, parts: ["agent", "kernel"] });
  scenariosOver("grpc", () => machine, { limits: true });
  lastScenarios("grpc", () => machine, { limits: true });
});
