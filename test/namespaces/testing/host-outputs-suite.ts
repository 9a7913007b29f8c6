import { it } from "vitest";
import { openHost } from "../../hosts/host-life.ts";
import { hosts } from "../../hosts/hosts.ts";
import { manyOutputs, type OutputCounts } from "../../hosts/many-outputs.ts";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./host-agent.ts";

/** Registers the output of so many short processes, read by each host's loop. */
export function hostOutputsSuite(counts: OutputCounts): void {
  describeInNamespaces("output of many short processes", () => {
    it.each(hosts)("reaches %s without a lost byte", async (kind, make) => {
      await using machine = await startHostAgent();
      const host = await openHost(machine, make);
      await manyOutputs(machine, kind, host, counts);
      await host.end();
    });
  });
}
