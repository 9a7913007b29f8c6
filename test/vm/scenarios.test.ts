import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { hostDataOver, lastScenarios, scenariosOver } from "../scenarios/all.ts";
import { brokenBundleScenarios, CANNOT_LOAD } from "../scenarios/broken-bundles.ts";
import { hostileRace } from "../scenarios/hostile-race.ts";
import { Pod } from "../scenarios/pod.ts";
import { silentConnections } from "../scenarios/silent-connections.ts";
import { upgradeScenarios } from "../scenarios/upgrade.ts";
import { startGuestMachine } from "./testing/guest-machine.ts";

describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  // What the machine doesn't decide runs in test/namespaces, and in test/nightly in a guest.
  scenariosOver("ttrpc", () => machine, { limits: true, parts: ["machine"] });
  hostDataOver("grpc", () => machine);
  silentConnections(() => machine);
  lastScenarios("ttrpc", () => machine, { limits: true });

  describe("a rootfs on virtio-fs that changes while containers are created in it", () => {
    let pod: Pod;
    beforeAll(async () => {
      pod = await Pod.open(machine);
    });
    afterAll(() => pod?.client.close());
    hostileRace(() => pod, { containers: 12, styles: ["relative"] });
  });

  const built = () => ({ bundles: join(machine.built, "agent"), natives: join(machine.built, "../native") });
  describe("an upgrade of the agent", () => {
    upgradeScenarios(() => machine, built);
    brokenBundleScenarios(() => machine, built, [CANNOT_LOAD]);
  });
});
