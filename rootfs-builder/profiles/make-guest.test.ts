import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { guestKernel } from "../debian/kernel-package.ts";
import { exists } from "../exists.ts";
import { OUTPUTS } from "../outputs/output-names.ts";
import type { Tree } from "../tree/tree.ts";
import { type GuestDescription, makeGuest } from "./make-guest.ts";
import { outputOf, PROFILES, type ProfileName } from "./profiles.ts";

const MIB = 1024 * 1024;
const tree: Tree = new Map([["file", { type: "file", mode: 0o644, content: Buffer.from("text") }]]);
const init = Buffer.from("init");

/** Returns the word after a flag. */
const argument = (words: readonly string[] | undefined, flag: string) => words?.[words.indexOf(flag) + 1];

describe("makeGuest", () => {
  let directory = "";
  let own = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-profiles-"));
    own = join(directory, "own-kernel");
    await writeFile(own, Buffer.from("\x7fELF", "latin1"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  /** Makes a guest with a kernel that has everything built in, or with Debian's. */
  async function make(profile: ProfileName, output?: string, debian = false): Promise<GuestDescription> {
    const kernel = debian ? await guestKernel() : { image: own };
    const root = outputOf(profile, output === undefined ? [] : [output]);
    return makeGuest({ profile, output: root, tree, init, kernel }, join(directory, profile));
  }

  /** See docs/getting-started.md, initrd.md and kernel-policy.md of Firecracker. */
  test("for firecracker has an ELF kernel, a drive that is not the root device, no PCI, and a configuration file", async () => {
    const guest = await make("firecracker", undefined, true);
    const configuration = JSON.parse(await readFile(join(directory, "firecracker/firecracker.json"), "utf8"));
    expect(configuration).toEqual({
      "boot-source": {
        kernel_image_path: "vmlinux",
        initrd_path: "initrd.cpio",
        boot_args:
          "console=ttyS0 reboot=k panic=1 pci=off quiet cryptomgr.notests initcall_blacklist=tracer_init_tracefs root=/dev/vda rootfstype=squashfs ro",
      },
      // with an initrd, no drive may be the root device
      drives: [{ drive_id: "root", path_on_host: "root.squashfs.img", is_root_device: false, is_read_only: true }],
      "machine-config": { vcpu_count: 1, mem_size_mib: 512 },
      vsock: { guest_cid: 3, uds_path: "vsock.sock" },
    });
    const kernel = await readFile(join(directory, "firecracker/vmlinux"));
    expect(kernel.toString("latin1", 0, 4)).toBe("\x7fELF");
    // a drive has whole sectors
    expect(guest.root.size % 512).toBe(0);
    expect(guest.modules).toContain("virtio_mmio");
    expect(guest.modules.filter((name) => /pci|virtiofs|nfit/.test(name))).toEqual([]);
    expect(guest.starts[0]?.command).toEqual(["firecracker", "--no-api", "--config-file", "firecracker.json"]);
  });

  /** See README.md, docs/device_model.md and docs/vsock.md of Cloud Hypervisor. */
  test("for cloud-hypervisor has an ELF kernel with PVH, virtio-pmem of whole 2 MiB that drops writes, and a serial console", async () => {
    const guest = await make("cloud-hypervisor", undefined, true);
    const [start] = guest.starts;
    expect(argument(start?.command, "--kernel")).toBe("vmlinux");
    expect(argument(start?.command, "--pmem")).toBe("file=root.erofs-dax-disk.img,discard_writes=on");
    expect(guest.root.size % (2 * MIB)).toBe(0);
    expect(start?.kernelCommandLine).toContain("console=ttyS0 ");
    expect(start?.kernelCommandLine).toContain(
      "swiotlb=noforce root=/dev/pmem0p1 rootfstype=erofs rootflags=dax=always ro",
    );
    expect(argument(start?.command, "--cmdline")).toBe(start?.kernelCommandLine);
    expect(guest.modules).toContain("virtio_pmem");
    expect(guest.modules.filter((name) => /mmio|nfit/.test(name))).toEqual([]);
    const disk = await make("cloud-hypervisor", "squashfs-disk");
    expect(argument(disk.starts[0]?.command, "--disk")).toBe("path=root.squashfs-disk.img,readonly=on");
    expect(disk.starts[0]?.kernelCommandLine).toContain("root=/dev/vda1 rootfstype=squashfs ro");
  });

  test("for kata has keys for the host's configuration, and no kernel", async () => {
    const { files, kernel, root } = await make("kata", "erofs-verity-disk");
    const read = async () => JSON.parse(await readFile(join(directory, "kata/configuration.json"), "utf8"));
    expect([kernel, files]).toEqual([undefined, ["root.erofs-verity-disk.img", "configuration.json"]]);
    expect(await read()).toEqual({
      hypervisor: {
        qemu: {
          image: "root.erofs-verity-disk.img",
          initrd: "",
          rootfs_type: "erofs",
          disable_image_nvdimm: true,
          kernel_verity_params: `root_hash=${root.verity?.rootHash},salt=${root.verity?.salt},data_blocks=2,data_block_size=4096,hash_block_size=4096`,
        },
      },
    });
    await make("kata", "initramfs-gzip");
    expect(await read()).toEqual({ hypervisor: { qemu: { image: "", initrd: "root.cpio.gz" } } });
  });

  test("for qemu has a line for q35 and one for microvm, with the device mapper's parameter for verity", async () => {
    const { starts, root } = await make("qemu", "ext4-verity-disk");
    expect(starts.map(({ machine }) => machine)).toEqual(["q35", "microvm"]);
    for (const { command, kernelCommandLine } of starts) {
      expect(argument(command, "-append")).toBe(kernelCommandLine);
      expect(kernelCommandLine).toContain(
        `dm-mod.create="dm-verity,,,ro,0 ${(root.verity?.dataBlocks ?? 0) * 8} verity 1 /dev/vda1 /dev/vda2 4096 4096 ` +
          `${root.verity?.dataBlocks} 0 sha256 ${root.verity?.rootHash} ${root.verity?.salt}" root=/dev/dm-0 rootfstype=ext4 ro`,
      );
    }
  });

  test("needs no initramfs for a kernel with everything built in, and no disk for a whole root in an initramfs", async () => {
    const plain = await make("qemu", "erofs");
    expect([plain.kernel, plain.initrd, plain.modules]).toEqual(["vmlinux", undefined, []]);
    const whole = await make("qemu", "initramfs-zstd", true);
    expect([whole.kernel, whole.initrd]).toEqual(["vmlinuz", "root.cpio.zst"]);
    expect(whole.starts[0]?.command.join(" ")).not.toContain("-drive");
    expect(whole.starts[0]?.kernelCommandLine).not.toContain("root=");
  });

  test("refuses an invalid kernel for every profile that has one", async () => {
    for (const content of ["", "text of no kernel ".repeat(100)]) {
      await writeFile(join(directory, "no-kernel"), content);
      const kernel = { image: join(directory, "no-kernel") };
      for (const profile of ["qemu", "firecracker"] as const) {
        const refusal = makeGuest({ profile, output: "squashfs", tree, init, kernel }, join(directory, "refused"));
        await expect(refusal).rejects.toThrow(/^kernel \S+no-kernel: neither an ELF file nor a bzImage$/);
      }
    }
    expect(await exists(join(directory, "refused"))).toBe(false);
  });

  test("accepts the outputs of each profile, and refuses others in one line", () => {
    for (const profile of PROFILES) expect(OUTPUTS).toContain(outputOf(profile, []));
    expect(() => outputOf("kata", ["squashfs-disk"])).toThrow("output squashfs-disk: profile kata can't start it");
    expect(() => outputOf("firecracker", ["erofs-dax-disk"])).toThrow("profile firecracker can't start it");
    expect(() => outputOf("qemu", ["erofs", "ext4"])).toThrow("profile qemu: starts one root, not erofs and ext4");
  });
});
