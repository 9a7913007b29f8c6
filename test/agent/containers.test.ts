import { afterAll, beforeAll, describe } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { containerScenarios } from "../scenarios/containers.ts";
import type { Machine } from "../scenarios/machine.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();

describe.each(["ttrpc", "grpc"] as const)(
  "an agent in namespaces, over %s",
  { skip: reason !== undefined },
  (protocol) => {
    let machine: Machine;
    let pod: Pod;
    beforeAll(async () => {
      machine = await startHostAgent();
      pod = await Pod.open(machine, await machine.connect({ protocol }));
    });
    afterAll(async () => {
      await pod?.client.close();
      await machine?.[Symbol.asyncDispose]();
    });
    containerScenarios(() => pod);
  },
);
