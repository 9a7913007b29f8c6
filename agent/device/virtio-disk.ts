import { findPciDevice, namesIn, parsePciPath } from "../kernel/pci-path.ts";
import { blockNode, type DeviceNode, isNewDisk, presentDisks } from "./block-node.ts";
import { present, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

/** Finds a virtio-blk disk by the PCI path of its function. */
export function virtioDisk(sysfs: Sysfs, pciPath: string): Wanted<DeviceNode> {
  const path = parsePciPath(pciPath);
  return {
    what: `disk at PCI path ${path.text}`,
    look() {
      const device = findPciDevice(sysfs, path);
      if (device === undefined) return undefined;
      const virtio = namesIn(sysfs, device).filter((name) => /^virtio\d+$/.test(name));
      const [name] = virtio.flatMap((one) => namesIn(sysfs, `${device}/${one}/block`));
      return name === undefined ? undefined : blockNode(sysfs, name);
    },
    wakes: isNewDisk,
    present() {
      const device = findPciDevice(sysfs, path);
      const seen = present(sysfs, "PCI devices", "/sys/bus/pci/devices");
      const why = device === undefined ? seen : `the device there, ${device}, has no virtio disk`;
      return `${why}; ${presentDisks(sysfs)}`;
    },
    // Finds devices on a bus whose bridge did not announce them.
    rescan: () => sysfs.write("/sys/bus/pci/rescan", "1"),
  };
}
