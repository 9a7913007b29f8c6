import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { idmappedBinds, mountedSource } from "../scenarios/idmapped-binds.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { makeDiskImage } from "../vm/testing/disk-images.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

/** Slot of the disk on the root bus. */
const SLOT = "14";

describe("devices of a guest", () => {
  let directory: string;
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guestd-disks-"));
    const disk = await makeDiskImage(directory, "disk");
    machine = await startGuestMachine(512, {
      hotplug: true,
      qemuArgs: [
        ...["-blockdev", `driver=raw,node-name=disk,file.driver=file,file.filename=${disk}`],
        ...["-device", `virtio-blk-pci,drive=disk,bus=pcie.0,addr=0x${SLOT}`],
      ],
    });
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it("bind directories of a disk with mapped ids: with their own maps, or the container's", async () => {
    const container_id = "disk";
    const mount_point = "/run/idmapped-disk";
    const storages = [{ driver: "blk", source: SLOT, fstype: "ext4", options: [], mount_point }];
    const OCI = ociSpec(`${mount_point}/rootfs`, ["sleep", "1000"]);
    await pod.client.agent.createContainer({ container_id, storages, OCI });
    await idmappedBinds(pod, mountedSource(mount_point));
    await machine.shell(`umount ${mount_point}/idmapped/below`);
    await pod.remove(container_id);
  });

  it("OnlineCPUMem with wait fails if no processor appears", async () => {
    const waiting = pod.client.agent.onlineCPUMem({ wait: true, nb_cpus: 4, cpu_only: true });
    await expect(waiting).rejects.toMatchObject({
      kind: "internal",
      message: "online processors: 4 requested, 0 brought online within 5 s, 1 online in total",
    });
  });
});
