import { namesIn } from "../kernel/pci-path.ts";
import { blockNode, type DeviceNode, diskName, isNewDisk } from "./block-node.ts";
import { readIfThere, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

/** A partition of a disk that is there, by its number. The kernel reads the disk's table after it has announced the disk. */
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
      return `partitions that are: ${names.sort().join(", ") || "none"}`;
    },
  };
}
