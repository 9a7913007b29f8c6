import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGuestMachine } from "../../guest/guest-machine.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";

/** Attacks on launches that take a guest: its cgroups have controllers. */
describe("in a real guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  describe.each(["", "crun", "runc"])("with containers made by %o", (runtime) => {
    let pod: Pod;
    beforeAll(async () => {
      const annotations = runtime === "" ? {} : { "guestd.runtime": runtime };
      pod = await Pod.open(machine, await machine.connect(), annotations);
    });
    afterAll(() => pod?.client.close());

    it("a container that makes its cgroup an inner one is entered where its first process lives", async () => {
      const { Mounts = [] } = ociSpec("/", []);
      const cgroup = { destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options: ["rw"] };
      const line = [
        "cd /sys/fs/cgroup && mkdir init.scope",
        "for p in $(cat cgroup.procs); do echo $p > init.scope/cgroup.procs; done",
        "echo +pids > cgroup.subtree_control && echo moved; exec sleep 1000",
      ].join("\n");
      const id = await pod.start(["sh", "-c", line], { Mounts: [...(Mounts ?? []), cgroup] });
      const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
      expect(Buffer.from(data).toString()).toBe("moved\n");
      for (const Terminal of [false, true]) {
        const exec_id = await pod.exec(id, ["cat", "/proc/self/cgroup"], { Terminal });
        const stdout = await pod.drain("readStdout", id, exec_id);
        expect(stdout.toString().trim()).toBe("0::/init.scope");
      }
      await pod.remove(id);
      expect(await machine.shell(`ls -d /sys/fs/cgroup/containers/${id} 2>/dev/null || echo gone`)).toBe("gone\n");
    });
  });
});
