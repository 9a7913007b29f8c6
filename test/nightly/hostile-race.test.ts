import { afterAll, beforeAll, describe } from "vitest";
import { hostileRace } from "../scenarios/hostile-race.ts";
import type { Machine } from "../scenarios/machine.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

describe("a rootfs on virtio-fs that changes while containers are created in it", () => {
  let machine: Machine;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startGuestMachine();
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  hostileRace(() => pod, { containers: 100, styles: ["absolute", "relative"] });
});
