import { describe, it } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { Pod } from "../scenarios/pod.ts";
import { policyScenario } from "../scenarios/policy.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();

describe(`a policy${reason === undefined ? "" : ` (skipped: ${reason})`}`, { skip: reason !== undefined }, () => {
  it.each(["ttrpc", "grpc"] as const)(
    "denies with the codes and texts that are expected, over %s",
    async (protocol) => {
      await using machine = await startHostAgent();
      await using client = await machine.connect({ protocol });
      await policyScenario(await Pod.open(machine, client));
    },
  );
});
