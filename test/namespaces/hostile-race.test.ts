import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { hostileRace } from "../scenarios/hostile-race.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("a rootfs that changes while containers are created in it", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  // The nightly run makes 120.
  hostileRace(() => pod, { containers: 40, styles: ["absolute", "relative"] });
});
