import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { buildAttacker } from "./testing/attacker.ts";
import { installedRuntimes } from "./testing/installed-runtimes.ts";

/** Depth with names of 255 bytes: six times as deep as a path can reach. */
const DEPTH = 100;

describeInNamespaces("a container's cgroups that no path can reach", () => {
  it.each(["guestd", ...installedRuntimes])("are removed with a container created by %s", async (runtime) => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    await using _client = pod.client;
    const rootfs = machine.rootfs("deep");
    buildAttacker("deep-cgroups", rootfs);
    const { Mounts, Linux } = ociSpec(rootfs, []);
    const cgroup = { destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options: ["rw"] };
    const parts = {
      Annotations: runtime === "guestd" ? {} : { "guestd.runtime": runtime },
      Mounts: [...(Mounts ?? []), cgroup],
      Linux: { ...Linux, Namespaces: [...(Linux?.Namespaces ?? []), { Type: "cgroup" }] },
    };
    const id = await pod.create(["sleep", "1000"], parts, rootfs);
    await pod.client.agent.startContainer({ container_id: id });
    const { stdout } = await pod.execute(id, ["deep-cgroups", String(DEPTH)]);
    expect(stdout.toString()).toBe(`${DEPTH}\n`);
    await pod.remove(id);
  });
});
