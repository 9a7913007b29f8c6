import { mountDisk } from "./mount-disk.ts";
import type { StorageDriver } from "./storage.ts";

/** A virtio-blk disk, by PCI path or by /dev/NAME. */
export const blk: StorageDriver = { name: "blk", disk: "blk", mount: mountDisk };
