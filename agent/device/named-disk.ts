import { blockNode, type DeviceNode, diskName, isNewDisk, presentDisks } from "./block-node.ts";
import type { Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

/**
 * Finds a disk by its name in the guest, which the host knows: virtio-mmio, pmem, or a virtio-blk disk that the host
 * counted itself.
 */
export function namedDisk(sysfs: Sysfs, path: string): Wanted<DeviceNode> {
  const name = diskName(path);
  return {
    what: `disk /dev/${name}`,
    look: () => blockNode(sysfs, name),
    wakes: isNewDisk,
    present: () => presentDisks(sysfs),
  };
}
