import { execFile } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "../../../host/vm/paths.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { bootsDescribed, describedGuest } from "../../vm/testing/boot-described.ts";
import { makeDiskImage } from "../../vm/testing/disk-images.ts";
import { flipByte } from "../../vm/testing/flip-byte.ts";

const MIB = 1024 * 1024;

/** The other outputs and profiles are in test/nightly/outputs.test.ts. */
describe("guests of profiles, started with the kernel command line of their guest.json", () => {
  let directory = "";
  beforeAll(async () => {
    directory = makeWorkDirectory("outputs");
    const build = (...options: readonly string[]) =>
      promisify(execFile)(process.execPath, [
        ...[join(repositoryRoot, "rootfs-builder/build.ts"), "--to", directory],
        ...options,
      ]);
    await build("--profile", "qemu", "--output", "erofs-verity-disk");
    await build("--profile", "firecracker");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("respond from a root that dm-verity checks", async () => {
    await bootsDescribed(join(directory, "qemu"), "q35");
  });

  it("refuse a root with one changed byte", async () => {
    const changed = join(directory, "changed");
    cpSync(join(directory, "qemu"), changed, { recursive: true });
    flipByte(join(changed, describedGuest(changed).root.file), MIB + 1024 + 100);
    await expect(bootsDescribed(changed, "q35")).rejects.toThrow(
      /verity: .* data block 0 is corrupted[\s\S]*no root: mount \/dev\/dm-0: I/,
    );
  });

  it("run a container without PCI, as under Firecracker, from a disk on virtio-mmio, which is also its device", async () => {
    const disk = await makeDiskImage(directory, "on-mmio");
    const qemuArgs = ["-drive", `id=more,file=${disk},format=raw,if=none`, "-device", "virtio-blk-device,drive=more"];
    await bootsDescribed(join(directory, "firecracker"), "like firecracker", { qemuArgs }, async ({ agent }) => {
      await agent.createSandbox({ sandbox_id: "mmio" });
      const mount_point = "/run/kata-containers/shared/containers/on-mmio";
      const storages = [{ driver: "mmioblk", source: "/dev/vdb", fstype: "ext4", options: ["ro"], mount_point }];
      const ids = { container_id: "on-mmio", exec_id: "on-mmio" };
      const { Linux } = ociSpec("/", []);
      const onHost = { Path: "/dev/volume", Type: "b", Major: 8, Minor: 0 };
      // Bytes 1080 and 1081 of an ext4 are its magic number.
      const line = "echo $(cat /which; stat -c %T /dev/volume; dd if=/dev/volume bs=1 skip=1080 count=2 | od -An -x)";
      await agent.createContainer({
        ...ids,
        storages,
        devices: [{ type: "mmioblk", vm_path: "/dev/vdb", container_path: "/dev/volume" }],
        OCI: ociSpec(`${mount_point}/rootfs`, ["sh", "-c", line], { Linux: { ...Linux, Devices: [onHost] } }),
      });
      await agent.startContainer(ids);
      expect((await agent.readStdout({ ...ids, len: 100 })).data.toString()).toBe("on-mmio 10 ef53\n");
      expect((await agent.waitProcess(ids)).status).toBe(0);
    });
  });
});
