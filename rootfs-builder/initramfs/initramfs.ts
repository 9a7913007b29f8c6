import { type CpioEntry, cpioArchive } from "./cpio.ts";
import type { KernelModule } from "./modules.ts";

/**
 * What a guest needs to boot and to be driven: virtio over PCI, vsock, the shared folder, the image on NVDIMM, virtio-pmem
 * or a virtio disk, SCSI disks, the network, and the file systems.
 */
const BOOT_MODULES = [
  "virtio_pci",
  "vmw_vsock_virtio_transport",
  "virtiofs",
  "nfit",
  "virtio_pmem",
  "nd_pmem",
  "virtio_blk",
  "virtio_scsi",
  "sd_mod",
  "virtio_net",
  "erofs",
  "overlay",
];
const VERITY_MODULE = "dm_verity";

export function bootModules({ verity = false }: { readonly verity?: boolean }): readonly string[] {
  return verity ? [...BOOT_MODULES, VERITY_MODULE] : BOOT_MODULES;
}

export interface InitramfsOptions {
  /** The static init, which is stage 1 as well. */
  readonly init: Buffer;
  /** In the order of loading. */
  readonly modules: readonly KernelModule[];
}

/** Init reads this list when it runs from an initramfs: one path per line, in the order of loading. */
const MODULE_LIST = "guestd-modules";

/**
 * The cpio that boots the guest: /init, its list of modules and the modules, and the folders it mounts on. It is not compressed: to
 * unpack it would take the kernel longer than a third of its modules. Equal inputs give equal bytes.
 */
export function buildInitramfs({ init, modules }: InitramfsOptions): Buffer {
  const directories = ["dev", "lib", "lib/modules", "proc", "sys"];
  return cpioArchive([
    ...directories.map((path): CpioEntry => ({ path, type: "directory", mode: 0o755 })),
    { path: "init", type: "file", mode: 0o755, content: init },
    ...moduleList(modules, "lib/modules"),
  ]);
}

/** The modules in a folder of an initramfs, and the list by which init finds them. */
export function moduleList(modules: readonly KernelModule[], folder: string): readonly CpioEntry[] {
  const files = modules.map(
    ({ name, content }): CpioEntry => ({ path: `${folder}/${name}.ko`, type: "file", mode: 0o444, content }),
  );
  const list = files.map(({ path }) => `/${path}\n`).join("");
  return [{ path: MODULE_LIST, type: "file", mode: 0o444, content: Buffer.from(list) }, ...files];
}
