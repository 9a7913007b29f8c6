import { afterAll, beforeAll, describe } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { hostileRace } from "../scenarios/hostile-race.ts";
import type { Machine } from "../scenarios/machine.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

function raceOn(start: () => Promise<Machine>, containers: number): void {
  let machine: Machine;
  let pod: Pod;
  beforeAll(async () => {
    machine = await start();
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  hostileRace(() => pod, { containers, styles: ["absolute", "relative"] });
}

describe("a rootfs on virtio-fs that changes while containers are created in it", () => {
  raceOn(startGuestMachine, 100);
});

describeInNamespaces("a rootfs that changes while containers are created in it", () => {
  raceOn(startHostAgent, 120);
});
