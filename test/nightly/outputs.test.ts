import { execFile } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "../../host/machine/paths.ts";
import { OUTPUTS } from "../../rootfs-builder/outputs/output-names.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { bootsDescribed, describedGuest, type Stand } from "../guest/boot-described.ts";
import { flipByte } from "../guest/flip-byte.ts";

describe("guests of profiles, by the kernel command line of their guest.json", () => {
  let directory = "";
  beforeAll(() => {
    directory = makeWorkDirectory("outputs");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** The folder of the guest; the one before is no more. */
  async function build(profile: string, output: string): Promise<string> {
    rmSync(join(directory, profile), { recursive: true, force: true });
    const builder = join(repositoryRoot, "rootfs-builder/build.ts");
    const options = ["--to", directory, "--profile", profile, "--output", output];
    await promisify(execFile)(process.execPath, [builder, ...options]);
    return join(directory, profile);
  }

  it.each(OUTPUTS)("%s boots under q35, answers and powers off", async (output) => {
    await bootsDescribed(await build("qemu", output), "q35");
  });

  it.each([
    ["qemu", "erofs-dax-disk", "microvm"],
    ["qemu", "squashfs-disk", "microvm"],
    ["qemu", "ext4-verity-disk", "microvm"],
    ["qemu", "initramfs-gzip", "microvm"],
    ["cloud-hypervisor", "erofs-dax-disk", "like cloud-hypervisor"],
    ["cloud-hypervisor", "squashfs-disk", "like cloud-hypervisor"],
    ["firecracker", "ext4", "like firecracker"],
    ["firecracker", "erofs-lz4hc-disk", "like firecracker"],
    ["firecracker", "erofs-verity-disk", "like firecracker"],
    ["firecracker", "initramfs-zstd", "like firecracker"],
  ] as const)("%s with %s boots %s, answers and powers off", async (profile, output, stand: Stand) => {
    await bootsDescribed(await build(profile, output), stand);
  });

  it("a byte of a program that was changed is an error where it is read, and the agent does not come up", async () => {
    const guest = await build("qemu", "erofs-verity-disk");
    const file = join(guest, describedGuest(guest).root.file);
    const launcher = readFileSync(join(repositoryRoot, "rootfs-builder/bundle/launcher.cjs"));
    const at = readFileSync(file).indexOf(launcher.subarray(0, 200));
    expect(at).toBeGreaterThan(0);
    flipByte(file, at + 100);
    await expect(bootsDescribed(guest, "q35", { timeoutMs: 30_000 })).rejects.toThrow(/is corrupted/);
  });
});
