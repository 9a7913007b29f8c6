import { execFile } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "../../host/vm/paths.ts";
import { OUTPUTS } from "../../rootfs-builder/outputs/output-names.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { bootsDescribed, describedGuest, type Stand } from "../vm/testing/boot-described.ts";
import { flipByte } from "../vm/testing/flip-byte.ts";

describe("guests of profiles, started with the kernel command line of their guest.json", () => {
  let directory = "";
  beforeAll(() => {
    directory = makeWorkDirectory("outputs");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Builds a guest after removing the previous one of the profile. Returns its folder. */
  async function build(profile: string, output: string): Promise<string> {
    rmSync(join(directory, profile), { recursive: true, force: true });
    const builder = join(repositoryRoot, "rootfs-builder/build.ts");
    const options = ["--to", directory, "--profile", profile, "--output", output];
    await promisify(execFile)(process.execPath, [builder, ...options]);
    return join(directory, profile);
  }

  it.each(OUTPUTS)("with %s boot under q35, respond and power off", async (output) => {
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
  ] as const)("of %s with %s boot %s, respond and power off", async (profile, output, stand: Stand) => {
    await bootsDescribed(await build(profile, output), stand);
  });

  it("fail to read a changed byte of a program, and the agent doesn't start", async () => {
    const guest = await build("qemu", "erofs-verity-disk");
    const file = join(guest, describedGuest(guest).root.file);
    const launcher = readFileSync(join(repositoryRoot, "rootfs-builder/bundle/launcher.cjs"));
    const at = readFileSync(file).indexOf(launcher.subarray(0, 200));
    expect(at).toBeGreaterThan(0);
    flipByte(file, at + 100);
    await expect(bootsDescribed(guest, "q35", { timeoutMs: 30_000 })).rejects.toThrow(/is corrupted/);
  });
});
