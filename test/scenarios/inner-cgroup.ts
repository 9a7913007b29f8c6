import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Registers the scenario of a container that manages its own cgroup, whose cgroup2 needs controllers. */
export function innerCgroup(pod: () => Pod): void {
  it("an exec enters the cgroup of the first process in a container that turned its own cgroup into an inner one", async () => {
    const { client, machine } = pod();
    const { Mounts = [] } = ociSpec("/", []);
    const cgroup = { destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options: ["rw"] };
    const line = [
      "cd /sys/fs/cgroup && mkdir init.scope",
      "for p in $(cat cgroup.procs); do echo $p > init.scope/cgroup.procs; done",
      "echo +pids > cgroup.subtree_control && echo moved; exec sleep 1000",
    ].join("\n");
    const id = await pod().start(["sh", "-c", line], { Mounts: [...(Mounts ?? []), cgroup] });
    const { data } = await client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
    expect(Buffer.from(data).toString()).toBe("moved\n");
    for (const Terminal of [false, true]) {
      const exec_id = await pod().exec(id, ["cat", "/proc/self/cgroup"], { Terminal });
      const stdout = await pod().drain("readStdout", id, exec_id);
      expect(stdout.toString().trim()).toBe("0::/init.scope");
    }
    await pod().remove(id);
    expect(await machine.shell(`ls -d /sys/fs/cgroup/containers/${id} 2>/dev/null || echo gone`)).toBe("gone\n");
  });
}
