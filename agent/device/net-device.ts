import { findPciDevice, namesIn, parsePciPath } from "../kernel/pci-path.ts";
import { present, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

/** Finds the name of the network device of a PCI function, or of the virtio device on it. */
export function netDevice(sysfs: Sysfs, pciPath: string): Wanted<string> {
  const path = parsePciPath(pciPath);
  return {
    what: `network device at PCI path ${path.text}`,
    look() {
      const device = findPciDevice(sysfs, path);
      if (device === undefined) return undefined;
      const virtio = namesIn(sysfs, device).filter((name) => /^virtio\d+$/.test(name));
      return ["", ...virtio.map((name) => `/${name}`)].flatMap((below) => namesIn(sysfs, `${device}${below}/net`))[0];
    },
    wakes: ({ action, subsystem }) => action === "add" && subsystem === "net",
    present: () => present(sysfs, "PCI devices", "/sys/bus/pci/devices"),
    rescan: () => sysfs.write("/sys/bus/pci/rescan", "1"),
  };
}
