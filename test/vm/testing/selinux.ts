import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { Machine } from "../../scenarios/machine.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { selinuxPolicy } from "./selinux-policy.ts";

const BOX = "system_u:system_r:box_t";
const DATA = "system_u:object_r:data_t";
const LINE = "cat /proc/self/attr/current; echo; chown 5 /root && echo chowned; mkdir /dev/shm/made && echo made";

/**
 * Registers the test of labels in a guest booted with security=selinux. It loads and enforces a policy, which stays.
 */
export function selinuxLabels(machine: () => Machine): void {
  const labelled = (SelinuxLabel: string, MountLabel = ""): Init<grpc.Spec> => {
    const { Process, Linux } = ociSpec("/", ["sh", "-c", LINE]);
    return { Process: { ...Process, SelinuxLabel }, Linux: { ...Linux, MountLabel } };
  };

  it("SELinux labels of the process, of execs and of mounts apply as the guest's policy says", async () => {
    const pod = await Pod.open(machine());
    const text = async (parts: Init<grpc.Spec>) => {
      const { stdout, stderr } = await pod.run([], parts);
      return `${stdout}${stderr}`.replaceAll("\0", "");
    };
    await expect(pod.run([], labelled(BOX))).rejects.toThrow(/selinuxLabel "\S+" needs SELinux with a policy/);

    const rootfs = machine().rootfs("selinux");
    writeFileSync(join(machine().hostPath(rootfs), "policy"), selinuxPolicy());
    const load = `mount -t selinuxfs s /sys/fs/selinux && cat ${rootfs}/policy > /sys/fs/selinux/load`;
    expect(await machine().shell(`${load} && echo 1 > /sys/fs/selinux/enforce; cat /sys/fs/selinux/enforce`)).toBe("1");

    expect(await text(labelled(""))).toBe("system_u:system_r:kernel_t\nchowned\nmade\n");
    const denied = "chown: /root: Operation not permitted\n";
    expect(await text(labelled(BOX))).toBe(`${BOX}\nmade\n${denied}`);
    expect(await text(labelled(BOX, DATA))).toBe(
      `${BOX}\n${denied}mkdir: can't create directory '/dev/shm/made': Permission denied\n`,
    );
    await expect(pod.run([], labelled("system_u:system_r:other_t"))).rejects.toThrow(/EINVAL/);

    const id = await pod.start(["sleep", "1000"], { Process: { ...labelled(BOX).Process, Args: ["sleep", "1000"] } });
    const label = async (parts: Init<grpc.Process>) =>
      (await pod.execute(id, ["cat", "/proc/self/attr/current"], parts)).stdout.toString().replaceAll("\0", "");
    expect(await label({})).toBe(BOX);
    expect(await label({ SelinuxLabel: "system_u:system_r:kernel_t" })).toBe("system_u:system_r:kernel_t");
    await pod.remove(id);
    await machine().shell("echo 0 > /sys/fs/selinux/enforce");
    await pod.client.close();
  });
}
