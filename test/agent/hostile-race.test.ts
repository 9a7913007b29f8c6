import { afterAll, beforeAll, describe } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { hostileRace } from "../scenarios/hostile-race.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();
const skip = reason !== undefined;

describe(`a rootfs that changes while containers are made of it${skip ? ` (skipped: ${reason})` : ""}`, {
  skip,
}, () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine, await machine.connect());
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  hostileRace(() => pod, { containers: 240, styles: ["absolute", "relative"] });
});
