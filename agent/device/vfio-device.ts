import { basename } from "node:path";
import { AgentError } from "../kernel/error.ts";
import { findPciDevice, type PciPath, parsePciPath } from "../kernel/pci-path.ts";
import type { DeviceNode } from "./block-node.ts";
import { present, readNumbers, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

const DEVICES = "/sys/bus/pci/devices";
const DRIVER = "vfio-pci";
const ADDRESS = /^([0-9a-f]{4}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/i;

/** One function of a VFIO group: its address on the host, with the domain, and where it is in the guest. */
export interface VfioFunction {
  readonly host: string;
  readonly path: PciPath;
}

/** "0000:3b:00.1=02/01" */
export function parseVfioOption(option: string): VfioFunction {
  const [host = "", path = "", ...more] = option.split("=");
  if (!ADDRESS.test(host) || path === "" || more.length > 0) {
    const shown = JSON.stringify(option.slice(0, 100));
    throw new AgentError("invalid-argument", `VFIO device option ${shown} is not HOST-ADDRESS=PCI-PATH`);
  }
  return { host: (host.length > 7 ? host : `0000:${host}`).toLowerCase(), path: parsePciPath(path) };
}

/** The address in the guest of a PCI function. */
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

/** The number of the IOMMU group that a function is in. */
export function iommuGroup(sysfs: Sysfs, address: string): string {
  const group = sysfs.linkTarget(`${DEVICES}/${address}/iommu_group`);
  if (group === undefined) throw failure(address, "it is in no IOMMU group; the guest has no IOMMU");
  return basename(group);
}

/** Takes a function from its driver and gives it to vfio-pci; when that fails, its own driver has it again. */
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
    if (driver() !== DRIVER) throw new Error("it did not take it");
  } catch (error) {
    await bind("\n").catch(() => undefined);
    throw failure(address, `not given to ${DRIVER}: ${error instanceof Error ? error.message : error}`);
  }
}

function failure(address: string, why: string): AgentError {
  return new AgentError("internal", `VFIO device ${address}: ${why}`);
}

/** The node of a group. */
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
