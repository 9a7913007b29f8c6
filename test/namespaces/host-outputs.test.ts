import { it } from "vitest";
import { openHost } from "../hosts/host-life.ts";
import { hosts } from "../hosts/hosts.ts";
import { manyOutputs } from "../hosts/many-outputs.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("output of many short processes", () => {
  it.each(hosts)("reaches %s without a lost byte", async (kind, make) => {
    await using machine = await startHostAgent();
    const host = await openHost(machine, make);
    await manyOutputs(machine, kind, host, { echoes: 1000, bursts: 200, containers: 20 });
    await host.end();
  });
});
