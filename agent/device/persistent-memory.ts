import { namesIn } from "../kernel/pci-path.ts";
import { blockNode, type DeviceNode, isNewDisk } from "./block-node.ts";
import { namedDisk } from "./named-disk.ts";
import { present, readIfThere, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

const DEVICES = "/sys/bus/nd/devices";
const REGION = /^region\d+$/;

/**
 * Finds persistent memory by its name in the guest, or by the guest-physical address at which its region begins: "0x140000000".
 * A host that plugs in several knows the addresses, while the kernel chooses the names.
 */
export function persistentMemory(sysfs: Sysfs, source: string): Wanted<DeviceNode> {
  if (!/^0x[0-9a-f]{1,16}$/.test(source)) return namedDisk(sysfs, source);
  const address = BigInt(source);
  return {
    what: `persistent memory at ${source}`,
    look() {
      const region = regions(sysfs).find((path) => startOf(sysfs, path) === address);
      // The block device is that of the region's namespace, or of the page structures that a superblock gives it.
      const disks = region && namesIn(sysfs, region).flatMap((name) => namesIn(sysfs, `${region}/${name}/block`));
      const [disk] = disks ?? [];
      return disk === undefined ? undefined : blockNode(sysfs, disk);
    },
    wakes: isNewDisk,
    present: () => present(sysfs, "regions", DEVICES, REGION),
  };
}

function regions(sysfs: Sysfs): readonly string[] {
  return namesIn(sysfs, DEVICES).flatMap((name) => (REGION.test(name) ? [`${DEVICES}/${name}`] : []));
}

function startOf(sysfs: Sysfs, region: string): bigint | undefined {
  const text = readIfThere(sysfs, `${region}/resource`)?.trim() ?? "";
  return /^0x[0-9a-f]+$/.test(text) ? BigInt(text) : undefined;
}
