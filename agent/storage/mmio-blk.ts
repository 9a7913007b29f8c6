import { diskDriver } from "./disk-driver.ts";

/** A virtio-blk disk that is no PCI device, by /dev/NAME: Firecracker's. */
export const mmioBlk = diskDriver("mmioblk");
