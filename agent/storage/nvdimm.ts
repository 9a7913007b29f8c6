import { mountDisk } from "./mount-disk.ts";
import type { StorageDriver } from "./storage.ts";

/** Persistent memory, an NVDIMM or virtio-pmem, by /dev/pmemN. */
export const nvdimm: StorageDriver = { name: "nvdimm", disk: "nvdimm", mount: mountDisk };
