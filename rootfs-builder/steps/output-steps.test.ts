import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openContext } from "./context.ts";
import { guestStep } from "./output-steps.ts";
import { Stamps } from "./step.ts";

const root = join(import.meta.dirname, "../..");
/** Modules of the profile's initramfs; a custom kernel can have them built in. */
const BUILT_IN = ["virtio_pci", "virtio_mmio", "vmw_vsock_virtio_transport", "virtiofs", "virtio_blk", "virtio_scsi"];
const builtIn = [...BUILT_IN, "sd_mod", "virtio_net", "overlay", "erofs", "nfit", "nd_pmem"]
  .map((name) => `kernel/${name}.ko\n`)
  .join("");

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(root, "build/guestd-guest-step-"));
  for (const path of ["build/native", "image", "lib", "rootfs-builder", "modules/kernel"])
    await mkdir(join(folder, path), { recursive: true });
  await put("build/native/init", "init");
  await put("modules/modules.builtin", builtIn);
  await put("vmlinux", Buffer.from("\x7fELF", "latin1"));
});
afterEach(() => rm(folder, { recursive: true }));

const put = (path: string, content: string | Buffer) => writeFile(join(folder, path), content);

/** Builds an output; returns true if the guest had to be made. */
async function bring(output: string): Promise<boolean> {
  const [to, vmlinux, modules] = ["out", "vmlinux", "modules"].map((name) => join(folder, name));
  const context = await openContext({ root: folder, to: to ?? "", agent: false, vmlinux, modules });
  await mkdir(join(folder, "out/image"), { recursive: true });
  const stamps = await Stamps.open(join(folder, "out/image/.stamps.json"));
  return stamps.bring(guestStep(context, "qemu", output));
}

test("rebuilds a guest when its modules or init change, or when one of its files is missing", async () => {
  expect([await bring("initramfs"), await bring("initramfs")]).toEqual([true, false]);
  await put("modules/modules.builtin", `${builtIn}kernel/more.ko\n`);
  expect([await bring("initramfs"), await bring("initramfs")]).toEqual([true, false]);
  await put("build/native/init", "another");
  expect([await bring("initramfs"), await bring("initramfs")]).toEqual([true, false]);
  for (const file of ["vmlinux", "root.cpio", "guest.json"]) {
    await rm(join(folder, "out/qemu", file));
    expect([await bring("initramfs"), await bring("initramfs")], file).toEqual([true, false]);
  }
});

test("replaces the previous root, and its artifact", async () => {
  await bring("initramfs");
  await mkdir(join(folder, "out/qemu/oci/blobs"), { recursive: true });
  await bring("initramfs-gzip");
  expect((await readdir(join(folder, "out/qemu"))).sort()).toEqual([
    "guest.json",
    "root.cpio.gz",
    "root.cpio.gz.json",
    "vmlinux",
  ]);
});

test("names a missing kernel or modules folder in one line", async () => {
  await rm(join(folder, "modules/modules.builtin"));
  await expect(bring("initramfs")).rejects.toThrow(/^modules: \S+modules.builtin does not exist: [^\n]*$/);
  await rm(join(folder, "modules"), { recursive: true });
  await expect(bring("initramfs")).rejects.toThrow(/^modules \S+modules: no such folder$/);
  await put("modules", "text");
  await expect(bring("initramfs")).rejects.toThrow(/^modules \S+modules: not a folder$/);
  await rm(join(folder, "vmlinux"));
  await expect(bring("initramfs")).rejects.toThrow(/^kernel \S+vmlinux: no such file$/);
});
