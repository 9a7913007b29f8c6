import { diskDriver } from "./disk-driver.ts";

/** Persistent memory, an NVDIMM or virtio-pmem, by /dev/pmemN. */
export const nvdimm = diskDriver("nvdimm");
