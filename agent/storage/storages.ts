import { MNT_DETACH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { Lock } from "../kernel/lock.ts";
import { ephemeral } from "./ephemeral.ts";
import type { Storage, StorageDriver } from "./storage.ts";
import { virtioFs } from "./virtio-fs.ts";

const DRIVERS: ReadonlyMap<string, StorageDriver> = new Map(
  [virtioFs, ephemeral].map((driver) => [driver.name, driver]),
);

export const storageDrivers: readonly string[] = [...DRIVERS.keys()];

/** A mounted storage and how many users it has. */
export interface StorageRecord {
  readonly mountPoint: string;
  readonly shared: boolean;
  users: number;
}

/** The storages of a sandbox, counted by mount point: the first user mounts, the last one's release unmounts. */
export class Storages {
  readonly #kernel: Kernel;
  readonly #records: Map<string, StorageRecord>;
  readonly #lock = new Lock();

  constructor(kernel: Kernel, records: readonly StorageRecord[] = []) {
    this.#kernel = kernel;
    this.#records = new Map(records.map((record) => [record.mountPoint, record]));
  }

  get records(): StorageRecord[] {
    return [...this.#records.values()];
  }

  /** Mounts all, in order; when one fails, those before it are released again. Returns their mount points. */
  acquire(storages: readonly Storage[]): Promise<string[]> {
    return this.#lock.run(async () => {
      const done: string[] = [];
      try {
        for (const storage of storages) {
          await this.#acquireOne(storage);
          done.push(storage.mountPoint);
        }
      } catch (error) {
        for (const mountPoint of done.reverse()) await this.#releaseOne(mountPoint);
        throw error;
      }
      return done;
    });
  }

  /** Takes one user from each; what nobody uses is unmounted, and its mount point removed when it is empty. */
  release(mountPoints: readonly string[], force = false): Promise<void> {
    return this.#lock.run(async () => {
      for (const mountPoint of mountPoints.toReversed()) await this.#releaseOne(mountPoint, force);
    });
  }

  async #acquireOne(storage: Storage): Promise<void> {
    const driver = DRIVERS.get(storage.driver);
    if (driver === undefined) {
      const known = storageDrivers.join(", ");
      throw new AgentError("invalid-argument", `storage driver "${storage.driver}" is not known; known are ${known}`);
    }
    if (!storage.mountPoint.startsWith("/")) {
      throw new AgentError("invalid-argument", `storage mount point "${storage.mountPoint}" is not an absolute path`);
    }
    const present = this.#records.get(storage.mountPoint);
    if (present === undefined) await driver.mount(this.#kernel, storage);
    const { mountPoint, shared } = storage;
    this.#records.set(mountPoint, { mountPoint, shared, users: (present?.users ?? 0) + 1 });
  }

  async #releaseOne(mountPoint: string, force = false): Promise<void> {
    const record = this.#records.get(mountPoint);
    if (record === undefined || (record.shared && !force)) return;
    record.users -= 1;
    if (record.users > 0 && !force) return;
    this.#records.delete(mountPoint);
    await this.#kernel.sys.umount(mountPoint, MNT_DETACH);
    try {
      this.#kernel.files.removeDirectory(mountPoint);
    } catch {
      // Not empty, or not ours: it stays.
    }
  }
}
