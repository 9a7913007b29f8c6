import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const CONTAINERS = 8;
const ROUNDS = 3;

describeInNamespaces("containers with one root", () => {
  it("can be created at once, with mounts whose targets none of them has yet", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const root = machine.rootfs("common");
    for (let round = 0; round < ROUNDS; round++) {
      const Mounts = Array.from({ length: 60 }, (_, index) => ({
        ...{ destination: `/round-${round}/${index}/target`, source: "/etc", type: "bind", options: ["bind"] },
      }));
      const create = () => pod.create(["true"], { Mounts }, root);
      const created = await Promise.allSettled(Array.from({ length: CONTAINERS }, create));
      expect(created.map(({ status, ...rest }) => ("reason" in rest ? String(rest.reason) : status))).toEqual(
        created.map(() => "fulfilled"),
      );
      for (const each of created) if ("value" in each) await pod.remove(each.value);
    }
    await pod.client.close();
  });
});
