import type { DeviceNode } from "./block-node.ts";
import { namedDisk } from "./named-disk.ts";
import { scsiDisk } from "./scsi-disk.ts";
import { realSysfs, type Sysfs } from "./sysfs.ts";
import { Uevents } from "./uevents.ts";
import { virtioDisk } from "./virtio-disk.ts";
import { type Wanted, waitForDevice } from "./wait-for-device.ts";

/** How a host names a disk, by the word that it uses for devices and storages alike. */
const DISKS = {
  /** The PCI path of a virtio-blk function, or its name in /dev. */
  blk: (sysfs, address) => (address.startsWith("/") ? namedDisk(sysfs, address) : virtioDisk(sysfs, address)),
  mmioblk: namedDisk,
  scsi: scsiDisk,
  nvdimm: namedDisk,
} as const satisfies Readonly<Record<string, (sysfs: Sysfs, address: string) => Wanted<DeviceNode>>>;

export type DiskKind = keyof typeof DISKS;

export interface DevicesOptions {
  readonly uevents?: Uevents;
  /** How long what was plugged in is waited for; 3 s when left out. */
  readonly timeoutMs?: number;
  readonly sysfs?: Sysfs;
}

/** The guest's devices, found by the names that hosts have for them. */
export class Devices {
  readonly #uevents: Uevents;
  readonly #timeoutMs: number;
  readonly #sysfs: Sysfs;

  constructor({ uevents = new Uevents(), timeoutMs = 3000, sysfs = realSysfs }: DevicesOptions = {}) {
    this.#uevents = uevents;
    this.#timeoutMs = timeoutMs;
    this.#sysfs = sysfs;
  }

  /** Throws for an address that none can have; rejects when there is no such disk after the timeout. */
  async disk(kind: DiskKind, address: string, signal?: AbortSignal): Promise<DeviceNode> {
    return this.#wait(DISKS[kind](this.#sysfs, address), signal);
  }

  #wait<Found>(wanted: Wanted<Found>, signal: AbortSignal | undefined): Promise<Found> {
    return waitForDevice(wanted, { uevents: this.#uevents, timeoutMs: this.#timeoutMs, signal });
  }
}
