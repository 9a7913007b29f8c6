import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { iptablesScenarios } from "../scenarios/iptables.ts";
import type { Machine } from "../scenarios/machine.ts";
import { networkScenarios } from "../scenarios/network.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("the network of an agent in namespaces", () => {
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

  it("the next agent repeats a call that waited for a device when the agent died", async () => {
    await using client = await machine.connect();
    const waiting = client.agent.updateInterface({ interface: { name: "eth9", devicePath: "1f.7/00" } });
    const refused = expect(waiting).rejects.toThrow("network device at PCI path 1f.7/00: still missing after 3000 ms");
    await client.agent.listInterfaces({});
    await sleep(200); // an agent that dies in the middle of a response closes the connection
    await machine.killAgent();
    await refused;
    const { Interfaces } = await client.agent.listInterfaces({});
    expect(Interfaces.map(({ name }) => name)).toContain("lo");
  });
});
