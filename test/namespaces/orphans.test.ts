import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const ORPHANS = 2000;

describeInNamespaces("a storm of orphans in the pod's pid namespace", () => {
  it("is reaped by its first container, and the agent responds meanwhile", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const { agent, health } = pod.client;
    const rootfs = machine.rootfs("all");
    const first = await pod.create(["sh", "-c", "while :; do wait; sleep 0.05; done"], {}, rootfs);
    await agent.startContainer({ container_id: first });
    const line = `i=0; while [ $i -lt ${ORPHANS} ]; do (sleep 0.1 &); i=$((i+1)); done; exit 7`;
    const OCI = ociSpec(rootfs, ["sh", "-c", line]);
    await agent.createContainer({ container_id: "second", OCI, sandbox_pidns: true });
    await agent.startContainer({ container_id: "second" });
    let ended = false;
    const done = pod.finish("second", "second").finally(() => {
      ended = true;
    });
    let longest = 0;
    while (!ended) {
      const start = performance.now();
      await health.check({});
      await agent.statsContainer({ container_id: first });
      longest = Math.max(longest, performance.now() - start);
      await sleep(20);
    }
    expect((await done).status).toBe(7);
    expect(longest).toBeLessThan(1000);
    const zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
    await expect.poll(() => machine.shell(zombies)).toBe("0\n");
    await pod.remove("second");
    await pod.remove(first);
    expect(await machine.shell("ps -o args | grep -c '[s]leep 0' || true")).toBe("0\n");
    await pod.client.close();
  }, 60_000);
});
