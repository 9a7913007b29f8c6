import { mountDisk } from "./mount-disk.ts";
import type { StorageDriver } from "./storage.ts";

/** A virtio-blk disk that is no PCI device, by /dev/NAME: Firecracker's. */
export const mmioBlk: StorageDriver = { name: "mmioblk", disk: "mmioblk", mount: mountDisk };
