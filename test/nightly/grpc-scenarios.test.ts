import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { lastScenarios, scenariosOver } from "../scenarios/all.ts";
import { brokenBundleScenarios, CANNOT_LOAD } from "../scenarios/broken-bundles.ts";
import type { Machine } from "../scenarios/machine.ts";
import { silentConnections } from "../scenarios/silent-connections.ts";
import { upgradeScenarios } from "../scenarios/upgrade.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

// `npm test` runs over ttRPC those that the machine decides in a guest, and the others in namespaces; of those over gRPC,
// data of a host in a guest.

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
  silentConnections(() => machine);
  for (const protocol of ["ttrpc", "grpc"] as const) lastScenarios(protocol, () => machine, { limits: true });

  const built = () => ({ bundles: join(machine.built, "agent"), natives: join(machine.built, "../native") });
  describe("an upgrade of the agent", () => {
    upgradeScenarios(() => machine, built);
    brokenBundleScenarios(() => machine, built, [CANNOT_LOAD]);
  });
});
