import { afterAll, beforeAll, expect, it } from "vitest";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { type ImageRegistry, startImageRegistry } from "../../scenarios/image-registry.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { answersThroughout } from "./answers-throughout.ts";

/** Nested directories with names of 200 bytes: no path reaches the last. */
const DEPTH = 40;
const fill = (files: number) => `n=$(busybox printf '%0200d' 0); mkdir='busybox mkdir' mv='busybox mv'
  $mkdir /$n; i=0; while [ $i -lt ${DEPTH} ]; do $mkdir /b; $mv /$n /b/; $mv /b /$n; i=$((i+1)); done
  $mkdir /many; cd /many; i=0; while [ $i -lt ${files} ]; do : >$n$i; i=$((i+1)); done; echo $i`;

/** Describes the removal of a container that left `files` files, and directories deeper than any path. */
export function describeFullRoots(files: number): void {
  describeInNamespaces("a container without capabilities that fills its root file system", () => {
    let machine: Awaited<ReturnType<typeof startHostAgent>>;
    let pod: Pod;
    let registry: ImageRegistry;
    beforeAll(async () => {
      machine = await startHostAgent();
      pod = await Pod.open(machine);
      registry = await startImageRegistry(pod, 5000);
    });
    afterAll(async () => {
      await registry?.close(pod);
      await pod?.client.close();
      await machine?.[Symbol.asyncDispose]();
    });

    const metadata = { "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "pod" };
    const storages: Readonly<Record<string, () => Init<grpc.Storage>>> = {
      "of an image that the guest pulled": () => ({
        ...{ driver: "image_guest_pull", source: "docker.io/library/test:1", fstype: "overlay" },
        driver_options: [`image_guest_pull=${JSON.stringify({ metadata })}`],
        options: [`layout=${registry.layout}`],
      }),
      "over layers": () => ({
        ...{ driver: "overlayfs", source: "none", fstype: "overlay" },
        options: [`lowerdir=${machine.rootfs("lower")}`, "io.katacontainers.fs-opt.overlay-rw"],
      }),
    };
    it.each(Object.entries(storages))("%s is removed, and every call is answered meanwhile", async (_, storage) => {
      const container_id = `full-${Date.now().toString(36)}`;
      const mount_point = `/run/kata-containers/${container_id}/rootfs`;
      const OCI = ociSpec(mount_point, ["sh", "-c", fill(files)]);
      const Process = { ...OCI.Process, Capabilities: {} };
      await pod.client.agent.createContainer({
        container_id,
        exec_id: container_id,
        OCI: { ...OCI, Process },
        storages: [{ ...storage(), mount_point }],
      });
      await pod.client.agent.startContainer({ container_id });
      expect((await pod.finish(container_id, container_id)).stdout.toString()).toBe(`${files}\n`);
      const before = await machine.agentPid();
      await answersThroughout(pod, () => pod.remove(container_id));
      expect(await machine.agentPid()).toBe(before);
      expect(await machine.shell(`ls -d /run/kata-containers/${container_id}/* 2>/dev/null || echo none`)).toBe(
        "none\n",
      );
    });
  });
}
