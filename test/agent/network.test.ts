import { afterAll, beforeAll, describe } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { iptablesScenarios } from "../scenarios/iptables.ts";
import type { Machine } from "../scenarios/machine.ts";
import { networkScenarios } from "../scenarios/network.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();

describe(`the network of an agent in namespaces${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  describe.each(["ttrpc", "grpc"] as const)("over %s", (protocol) => {
    let pod: Pod;
    beforeAll(async () => {
      pod = await Pod.open(machine, await machine.connect({ protocol }));
    });
    afterAll(() => pod?.client.close());
    networkScenarios(() => pod);
    iptablesScenarios(() => pod);
  });
});
