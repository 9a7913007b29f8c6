import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";

/** Runs the attacks on launches that need a guest, whose cgroups have controllers. */
describe("in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  describe.each(["", "crun", "runc"])("with containers created by %o", (runtime) => {
    let pod: Pod;
    beforeAll(async () => {
      const annotations = runtime === "" ? {} : { "guestd.runtime": runtime };
      pod = await Pod.open(machine, await machine.connect(), annotations);
    });
    afterAll(() => pod?.client.close());

    it("an exec enters the cgroup of the first process in a container that turned its own cgroup into an inner one", async () => {
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
