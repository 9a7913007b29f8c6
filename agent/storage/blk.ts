import { diskDriver } from "./disk-driver.ts";

/** A virtio-blk disk, by PCI path or by /dev/NAME. */
export const blk = diskDriver("blk");
