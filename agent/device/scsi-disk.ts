import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import { namesIn } from "../kernel/pci-path.ts";
import { blockNode, type DeviceNode, isNewDisk, presentDisks } from "./block-node.ts";
import { present, readIfThere, type Sysfs } from "./sysfs.ts";
import type { Wanted } from "./wait-for-device.ts";

const ADDRESS = /^(\d{1,3}):(\d{1,5})$/;
const DEVICES = "/sys/bus/scsi/devices";
const HOSTS = "/sys/class/scsi_host";

/** Finds a SCSI disk by "ID:LUN" on channel 0. Looks at virtio controllers first. */
export function scsiDisk(sysfs: Sysfs, address: string): Wanted<DeviceNode> {
  const [, id, lun] = (ADDRESS.exec(address) ?? []).map(Number);
  if (id === undefined || lun === undefined) {
    throw invalidArgument(`SCSI address ${quoted(address)} is not ID:LUN in decimal`);
  }
  const hosts = () => namesIn(sysfs, HOSTS);
  const isVirtio = (host: string) => readIfThere(sysfs, `${HOSTS}/${host}/proc_name`)?.startsWith("virtio") === true;
  return {
    what: `disk at SCSI address ${address}`,
    look() {
      const [virtio, others] = [hosts().filter(isVirtio), hosts().filter((host) => !isVirtio(host))];
      const units = [...virtio, ...others].map((host) => `${host.replace(/^host/, "")}:0:${id}:${lun}`);
      const [name] = units.flatMap((unit) => namesIn(sysfs, `${DEVICES}/${unit}/block`));
      return name === undefined ? undefined : blockNode(sysfs, name);
    },
    wakes: isNewDisk,
    present() {
      const none = hosts().length === 0;
      const seen = none ? "there is no SCSI controller" : present(sysfs, "SCSI devices", DEVICES, /^\d+:/);
      return `${seen}; ${presentDisks(sysfs)}`;
    },
    async rescan() {
      await Promise.allSettled(hosts().map((host) => sysfs.write(`${HOSTS}/${host}/scan`, `0 ${id} ${lun}`)));
    },
  };
}
