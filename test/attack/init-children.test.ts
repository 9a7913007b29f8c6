import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { Pod } from "../scenarios/pod.ts";
import { buildAttacker, startWith } from "./testing/attacker.ts";
import { installedRuntimes } from "./testing/installed-runtimes.ts";

const EXECS = 8;

describeInNamespaces("an unprivileged exec that floods init with short-lived children", () => {
  it.each(["guestd", ...installedRuntimes])("blocks no exec of another container created by %s", async (runtime) => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    await using _client = pod.client;
    const rootfs = machine.rootfs("children");
    buildAttacker("orphans-of-init", rootfs);
    await startWith(pod, "attacker", { rootfs });
    const annotations: Record<string, string> = runtime === "guestd" ? {} : { "guestd.runtime": runtime };
    await startWith(new Pod(machine, pod.client, annotations), "neighbour", { rootfs });
    const Process = { Capabilities: {}, User: { UID: 1000, GID: 1000 } };
    await pod.exec("attacker", ["orphans-of-init", "1000", "4"], Process);
    for (let count = 0; count < EXECS; count++) {
      expect((await pod.execute("neighbour", ["true"], { Env: ["PATH=/bin", "HOME=/"] })).status).toBe(0);
    }
    await pod.remove("attacker");
  });
});
