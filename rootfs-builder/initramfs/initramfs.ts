import { type CpioEntry, cpioArchive } from "./cpio.ts";
import type { KernelModule } from "./modules.ts";

/**
 * Modules that a guest needs to boot and to be controlled: virtio over PCI, vsock, virtio-serial, the shared folder, the image on
 * NVDIMM, virtio-pmem or a virtio disk, SCSI disks, the network, file systems, and the balloon, by which it returns memory.
 */
const BOOT_MODULES = [
  "virtio_pci",
  "vmw_vsock_virtio_transport",
  "virtio_console",
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
  "virtio_balloon",
];
const VERITY_MODULE = "dm_verity";

export function bootModules({ verity = false }: { readonly verity?: boolean }): readonly string[] {
  return verity ? [...BOOT_MODULES, VERITY_MODULE] : BOOT_MODULES;
}

export interface InitramfsOptions {
  /** The static init, which is also stage 1. */
  readonly init: Buffer;
  /** Modules in loading order. */
  readonly modules: readonly KernelModule[];
}

/** List that init reads when it runs from an initramfs: one path per line, in loading order. */
const MODULE_LIST = "guestd-modules";

/**
 * Returns the cpio that boots the guest: /init, the modules with their list, and the directories it mounts on. It isn't
 * compressed: unpacking would take the kernel longer than loading a third of its modules. Equal inputs give equal
 * bytes.
 */
export function buildInitramfs({ init, modules }: InitramfsOptions): Buffer {
  const directories = ["dev", "lib", "lib/modules", "proc", "sys"];
  return cpioArchive([
    ...directories.map((path): CpioEntry => ({ path, type: "directory", mode: 0o755 })),
    { path: "init", type: "file", mode: 0o755, content: init },
    ...moduleList(modules, "lib/modules"),
  ]);
}

/** Returns the modules in a directory of an initramfs, and the list from which init loads them. */
export function moduleList(modules: readonly KernelModule[], folder: string): readonly CpioEntry[] {
  const files = modules.map(
    ({ name, content }): CpioEntry => ({ path: `${folder}/${name}.ko`, type: "file", mode: 0o444, content }),
  );
  const list = files.map(({ path }) => `/${path}\n`).join("");
  return [{ path: MODULE_LIST, type: "file", mode: 0o444, content: Buffer.from(list) }, ...files];
}
