import { existsSync } from "node:fs";
import { basename } from "node:path";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import type { Machine } from "../scenarios/machine.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";
import { hungMount } from "./testing/hung-mount.ts";

const HUNG = "/run/kata-containers/shared/containers/hung";
/** More calls than libuv has threads. */
const MANY = 8;
/** A few mounts, each with a hanging call, so that each holds a thread. */
const SOME = 5;
const missing = existsSync("/dev/fuse") ? undefined : "no /dev/fuse";

describeInNamespaces(
  "a mount that hangs",
  () => {
    it("blocks the calls that use it, and no other", async () => {
      await using machine = await startHostAgent();
      await using client = await machine.connect();
      const pod = await Pod.open(machine, client);
      await hungMount(machine, HUNG);
      const { agent } = client;
      const bind = { destination: "/hung", source: `${HUNG}/a`, type: "bind", options: ["rbind"] };
      const file = { path: `${HUNG}/file`, file_mode: 0o100644, file_size: 1, data: Buffer.from("x") };
      const held = [
        ...Array.from({ length: MANY }, () => agent.getVolumeStats({ volume_guest_path: HUNG })),
        ...Array.from({ length: MANY }, () => agent.removeStaleVirtiofsShareMounts({})),
        pod.create(["true"], { Mounts: [...(ociSpec("/", []).Mounts ?? []), bind] }),
        pod.create(["true"], {}, `${HUNG}/rootfs`),
        agent.copyFile(file),
        ...["bind", "watchable-bind", ...Array<string>(MANY).fill("overlayfs")].map((driver, index) => {
          const options = driver === "overlayfs" ? [`lowerdir=${HUNG}/a:${HUNG}/b`] : [];
          const mount_point = `/run/held-${index}`;
          const storages = [
            { driver, source: driver === "overlayfs" ? "none" : `${HUNG}/a`, fstype: "overlay", options, mount_point },
          ];
          const id = `held-${index}`;
          return agent.createContainer({ container_id: id, OCI: ociSpec(machine.rootfs(id), ["true"]), storages });
        }),
      ];
      let answered = 0;
      for (const call of held) {
        call.then(
          () => answered++,
          () => answered++,
        );
      }
      await client.health.check({});

      const storages = [{ driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", mount_point: "/run/beside" }];
      const OCI = ociSpec(machine.rootfs("beside"), ["sleep", "1000"]);
      const ids = { container_id: "beside", exec_id: "x" };
      await agent.createContainer({ container_id: "beside", OCI, storages });
      await agent.startContainer(ids);
      await agent.execProcess({ ...ids, process: { Args: ["sleep", "1000"], Env: ["PATH=/bin"], Cwd: "/" } });
      await agent.signalProcess({ ...ids, signal: 9 });
      expect((await agent.waitProcess(ids)).status).toBe(137);
      await agent.removeContainer(ids);
      expect(answered).toBe(0);
    });

    it("takes no threads from other calls, however many mounts hang, and delays no scrape of the metrics", async () => {
      await using machine = await startHostAgent();
      await using client = await machine.connect();
      const { agent } = client;
      await agent.createSandbox({ sandbox_id: "hung", hostname: "hung" });
      const [first, ...others] = Array.from({ length: SOME }, (_, index) => `${HUNG}-${index}`);
      const [shown, covered] = [`${machine.directory}/shown`, `${first}/over`];
      await overlay(machine, shown);
      await overlay(machine, covered);
      for (const place of [first, ...others]) await hungMount(machine, `${place}`);
      for (let count = 0; count < 2; count++) {
        const { metrics } = await agent.getMetrics({});
        expect(metrics).toContain(`kata_guest_filesystem_bytes{mount="${shown}"`);
        expect(metrics).not.toContain(covered);
      }
      // One more call is admitted: it holds the last of the threads for file systems that may hang.
      const ended: string[] = [];
      for (const place of others) {
        agent.getVolumeStats({ volume_guest_path: place }).catch((error: Error) => ended.push(error.message));
      }
      await expect.poll(() => ended).toHaveLength(others.length - 1);
      expect(ended[0]).toContain(`not accessed because other file systems don't respond: ${covered}, ${others[0]}`);
      // Mounts need threads too.
      const storages = [{ driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", mount_point: "/run/beside" }];
      const OCI = ociSpec(machine.rootfs("beside"), ["true"]);
      await agent.createContainer({ container_id: "beside", OCI, storages });
      expect((await agent.getMetrics({})).metrics).toContain("kata_guest_meminfo");
    });
  },
  missing,
);

/** Mounts a writable file system that responds. */
async function overlay(machine: Machine & { readonly directory: string }, path: string): Promise<void> {
  const parts = `${machine.directory}/parts-of-${basename(path)}`;
  const options = `lowerdir=${parts}/lower,upperdir=${parts}/upper,workdir=${parts}/work`;
  const lines = [
    `mkdir -p ${path} ${parts}`,
    `mount -t tmpfs parts ${parts}`,
    `mkdir ${parts}/lower ${parts}/upper ${parts}/work`,
    `mount -t overlay -o ${options} overlay ${path}`,
  ];
  await machine.shell(lines.join(" && "));
}
