import { namesIn } from "../kernel/pci-path.ts";
import { blockNode, type DeviceNode, diskName, isNewDisk } from "./block-node.ts";
import { readIfThere, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

/**
 * Finds a partition by its number on a disk that exists. The kernel announces a disk before it reads its partition
 * table.
 */
export function partition(sysfs: Sysfs, disk: string, number: number): Wanted<DeviceNode> {
  const directory = `/sys/class/block/${diskName(disk)}`;
  const numberOf = (name: string) => readIfThere(sysfs, `${directory}/${name}/partition`)?.trim();
  return {
    what: `partition ${number} of ${disk}`,
    look() {
      const name = namesIn(sysfs, directory).find((one) => numberOf(one) === String(number));
      return name === undefined ? undefined : blockNode(sysfs, name);
    },
    wakes: isNewDisk,
    present() {
      const names = namesIn(sysfs, directory).filter((one) => numberOf(one) !== undefined);
      return `partitions present: ${names.sort().join(", ") || "none"}`;
    },
  };
}
