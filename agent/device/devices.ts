import { AgentError } from "../kernel/error.ts";
import { type AttachedDevice, checkDevice, type DeviceRequest } from "./attach-device.ts";
import type { DeviceNode } from "./block-node.ts";
import { infinibandNodes } from "./infiniband-nodes.ts";
import { namedDisk } from "./named-disk.ts";
import { netDevice } from "./net-device.ts";
import { partition } from "./partition.ts";
import { persistentMemory } from "./persistent-memory.ts";
import { scsiDisk } from "./scsi-disk.ts";
import { realSysfs, type Sysfs } from "./sysfs.ts";
import { Uevents } from "./uevents.ts";
import { bindToVfio, iommuGroup, parseVfioOption, pciFunction, type VfioFunction, vfioGroup } from "./vfio-device.ts";
import { virtioDisk } from "./virtio-disk.ts";
import { type Wanted, waitForDevice } from "./wait-for-device.ts";

/** Disks by how the host addresses them. Devices and storages use the same words. */
const DISKS = {
  /** A PCI path of a virtio-blk function, or the disk's name in /dev. */
  blk: (sysfs, address) => (address.startsWith("/") ? namedDisk(sysfs, address) : virtioDisk(sysfs, address)),
  mmioblk: namedDisk,
  scsi: scsiDisk,
  /** A region's guest-physical address, or the name in /dev. */
  nvdimm: persistentMemory,
} as const satisfies Readonly<Record<string, (sysfs: Sysfs, address: string) => Wanted<DeviceNode>>>;

export type DiskKind = keyof typeof DISKS;

function isDiskKind(word: string): word is DiskKind {
  return Object.hasOwn(DISKS, word);
}

/** Device types that a container can be given. */
export const deviceTypes: readonly string[] = [...Object.keys(DISKS), "vfio-pci", "vfio-pci-gk"];

export interface DevicesOptions {
  readonly uevents?: Uevents;
  /** How long to wait for a device that was plugged in; 3 s by default. */
  readonly timeoutMs?: number;
  readonly sysfs?: Sysfs;
}

/** Finds the guest's devices by the addresses that hosts use. */
export class Devices {
  readonly #uevents: Uevents;
  readonly #timeoutMs: number;
  readonly #sysfs: Sysfs;

  constructor({ uevents = new Uevents(), timeoutMs = 3000, sysfs = realSysfs }: DevicesOptions = {}) {
    this.#uevents = uevents;
    this.#timeoutMs = timeoutMs;
    this.#sysfs = sysfs;
  }

  /** Throws for an invalid address. Rejects if the disk doesn't appear within the timeout. */
  async disk(kind: DiskKind, address: string, signal?: AbortSignal): Promise<DeviceNode> {
    return this.#wait(DISKS[kind](this.#sysfs, address), signal);
  }

  /** Finds a disk's partition by its number; `path` is the disk's path in /dev. */
  async partition(path: string, number: number, signal?: AbortSignal): Promise<DeviceNode> {
    return this.#wait(partition(this.#sysfs, path, number), signal);
  }

  /** Returns the name of the network device at a PCI path. */
  async netDevice(pciPath: string, signal?: AbortSignal): Promise<string> {
    return this.#wait(netDevice(this.#sysfs, pciPath), signal);
  }

  /**
   * Finds the devices that a host requests for a container, all in parallel. Returns what the container gets, in the
   * order of the requests.
   */
  attach(requests: readonly DeviceRequest[], signal?: AbortSignal): Promise<AttachedDevice[]> {
    for (const request of requests) checkDevice(request);
    return Promise.all(requests.map((request) => this.#attach(request, signal)));
  }

  async #attach(request: DeviceRequest, signal: AbortSignal | undefined): Promise<AttachedDevice> {
    const { type, id, vmPath, containerPath } = request;
    if (isDiskKind(type)) {
      const byPlace = type === "blk" || type === "scsi";
      const address = byPlace ? id || vmPath : vmPath || id;
      return { containerPath, node: await this.disk(type, address, signal), pci: {} };
    }
    if (type === "vfio-pci" || type === "vfio-pci-gk") return this.#attachVfio(request, signal);
    throw new AgentError("invalid-argument", `device type "${type}" is unknown; supported: ${deviceTypes.join(", ")}`);
  }

  async #attachVfio({ type, containerPath, options }: DeviceRequest, signal?: AbortSignal): Promise<AttachedDevice> {
    const functions = options.map(parseVfioOption);
    const find = async ({ host, path }: VfioFunction) =>
      [host, await this.#wait(pciFunction(this.#sysfs, path), signal)] as const;
    const found = await Promise.all(functions.map(find));
    const pci = Object.fromEntries(found);
    if (type === "vfio-pci-gk") return { containerPath, pci, beside: infinibandNodes(this.#sysfs) };
    const groups = new Set(found.map(([, address]) => iommuGroup(this.#sysfs, address)));
    const [group, ...more] = groups;
    if (group === undefined || more.length > 0) {
      const why =
        group === undefined
          ? "it names no function"
          : `its functions are in different IOMMU groups: ${[...groups].join(", ")}`;
      throw new AgentError("invalid-argument", `VFIO device ${containerPath}: ${why}`);
    }
    for (const [, address] of found) await bindToVfio(this.#sysfs, address);
    const node = await this.#wait(vfioGroup(this.#sysfs, group), signal);
    return { containerPath, node, ownPath: true, pci, beside: infinibandNodes(this.#sysfs) };
  }

  #wait<Found>(wanted: Wanted<Found>, signal: AbortSignal | undefined): Promise<Found> {
    return waitForDevice(wanted, { uevents: this.#uevents, timeoutMs: this.#timeoutMs, signal });
  }
}
