import { it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { policyScenario } from "../scenarios/policy.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("a policy", () => {
  it.each(["ttrpc", "grpc"] as const)("denies calls with the contract's codes and texts, over %s", async (protocol) => {
    await using machine = await startHostAgent();
    await using client = await machine.connect({ protocol });
    await policyScenario(await Pod.open(machine, client));
  });
});
