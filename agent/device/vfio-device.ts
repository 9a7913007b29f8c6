import { basename } from "node:path";
import { AgentError } from "../kernel/error.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import { findPciDevice, type PciPath, parsePciPath } from "../kernel/pci-path.ts";
import type { DeviceNode } from "./block-node.ts";
import { present, readNumbers, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

const DEVICES = "/sys/bus/pci/devices";
const DRIVER = "vfio-pci";
const ADDRESS = /^([0-9a-f]{4}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/i;

/** A function of a VFIO group: its address on the host, including the domain, and its PCI path in the guest. */
export interface VfioFunction {
  readonly host: string;
  readonly path: PciPath;
}

/** Parses "0000:3b:00.1=02/01". */
export function parseVfioOption(option: string): VfioFunction {
  const [host = "", path = "", ...more] = option.split("=");
  if (!ADDRESS.test(host) || path === "" || more.length > 0) {
    throw invalidArgument(`VFIO device option ${quoted(option)} is not HOST-ADDRESS=PCI-PATH`);
  }
  return { host: (host.length > 7 ? host : `0000:${host}`).toLowerCase(), path: parsePciPath(path) };
}

/** Finds a PCI function's address in the guest. */
export function pciFunction(sysfs: Sysfs, path: PciPath): Wanted<string> {
  return {
    what: `device at PCI path ${path.text}`,
    look() {
      const directory = findPciDevice(sysfs, path);
      return directory === undefined ? undefined : basename(directory);
    },
    wakes: ({ action, subsystem }) => action === "add" && subsystem === "pci",
    present: () => present(sysfs, "PCI devices", DEVICES),
    rescan: () => sysfs.write("/sys/bus/pci/rescan", "1"),
  };
}

/** Returns the number of the function's IOMMU group. */
export function iommuGroup(sysfs: Sysfs, address: string): string {
  const group = sysfs.linkTarget(`${DEVICES}/${address}/iommu_group`);
  if (group === undefined) throw failure(address, "it is in no IOMMU group; the guest has no IOMMU");
  return basename(group);
}

/** Moves a function from its driver to vfio-pci. Gives it back to its own driver on failure. */
export async function bindToVfio(sysfs: Sysfs, address: string): Promise<void> {
  const device = `${DEVICES}/${address}`;
  const driver = () => basename(sysfs.linkTarget(`${device}/driver`) ?? "");
  if (driver() === DRIVER) return;
  if (!sysfs.exists(`/sys/bus/pci/drivers/${DRIVER}`)) {
    throw failure(address, `this kernel has no driver ${DRIVER}; kernel_modules of CreateSandbox can load vfio_pci`);
  }
  const bind = async (override: string) => {
    await sysfs.write(`${device}/driver_override`, override);
    if (driver() !== "") await sysfs.write(`${device}/driver/unbind`, address);
    await sysfs.write("/sys/bus/pci/drivers_probe", address);
  };
  try {
    await bind(DRIVER);
    if (driver() !== DRIVER) throw new Error("the driver did not accept it");
  } catch (error) {
    await bind("\n").catch(() => undefined);
    throw failure(address, `can't bind it to ${DRIVER}: ${error instanceof Error ? error.message : error}`);
  }
}

function failure(address: string, why: string): AgentError {
  return new AgentError("internal", `VFIO device ${address}: ${why}`);
}

/** Finds the device node of a VFIO group. */
export function vfioGroup(sysfs: Sysfs, group: string): Wanted<DeviceNode> {
  const path = `/dev/vfio/${group}`;
  return {
    what: `VFIO group ${group}`,
    look() {
      const numbers = readNumbers(sysfs, `/sys/class/vfio/${group}/dev`);
      return numbers === undefined || !sysfs.exists(path) ? undefined : { path, type: "c", ...numbers };
    },
    wakes: ({ action, subsystem }) => action === "add" && subsystem === "vfio",
    present: () => present(sysfs, "groups", "/sys/class/vfio"),
  };
}
