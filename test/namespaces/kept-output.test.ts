import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { keptOutputScenarios } from "../scenarios/kept-output.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("output that is kept in files", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  beforeAll(async () => {
    machine = await startHostAgent({ config: "container_logs = 65536" });
    pod = await Pod.open(machine);
    container = await pod.start(["sleep", "1000"]);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  keptOutputScenarios(() => ({
    ...{ pod, container, address: `${machine.address}_1028` },
    killAgent: () => machine.killAgent(),
  }));
});
