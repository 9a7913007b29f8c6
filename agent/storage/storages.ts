import { MNT_DETACH } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { Lock } from "../kernel/lock.ts";
import { blk } from "./blk.ts";
import { ephemeral } from "./ephemeral.ts";
import { mmioBlk } from "./mmio-blk.ts";
import { nvdimm } from "./nvdimm.ts";
import { scsi } from "./scsi.ts";
import type { FindDisk, Storage, StorageDriver } from "./storage.ts";
import { updateEphemeral } from "./update-ephemeral.ts";
import { virtioFs } from "./virtio-fs.ts";

const DRIVERS: ReadonlyMap<string, StorageDriver> = new Map(
  [virtioFs, ephemeral, blk, mmioBlk, scsi, nvdimm].map((driver) => [driver.name, driver]),
);

export const storageDrivers: readonly string[] = [...DRIVERS.keys()];

/** Where no storage may be mounted: the agent itself lives on these. */
const GUESTS_OWN = ["/proc", "/sys", "/dev", "/run/guestd"];

/** A mounted storage and how many users it has. */
interface StorageRecord {
  readonly mountPoint: string;
  readonly shared: boolean;
  users: number;
}

/** The mount point as it is counted: without slashes at its end. Throws for one that no storage may have. */
export function mountPointOf({ mountPoint }: Storage): string {
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `storage mount point ${JSON.stringify(mountPoint)} ${why}`);
  if (!mountPoint.startsWith("/")) throw refuse("is not an absolute path");
  if (/(^|\/)\.\.(\/|$)|\0/.test(mountPoint)) throw refuse('has ".." or a NUL byte in it');
  const path = mountPoint.replace(/\/+$/, "").replace(/\/(\.?\/)+/g, "/");
  if (path === "" || GUESTS_OWN.some((own) => path === own || path.startsWith(`${own}/`))) {
    throw refuse("belongs to the guest itself");
  }
  return path;
}

/** The driver of a storage. Throws for one that is not known, and for options that it doesn't have. */
function checkStorage({ driver: name, driverOptions }: Storage): StorageDriver {
  const driver = DRIVERS.get(name);
  if (driver === undefined) {
    const known = storageDrivers.join(", ");
    throw new AgentError("invalid-argument", `storage driver "${name}" is not known; known are ${known}`);
  }
  const option = driverOptions.find((one) => driver.options?.includes(one) !== true);
  if (option === undefined) return driver;
  throw new AgentError("unimplemented", `${driver.name} storage: driver option "${option}" is not supported`);
}

/** The storages of a sandbox, counted by mount point: the first user mounts, the last one's release unmounts. */
export class Storages {
  readonly #kernel: Kernel;
  readonly #findDisk: FindDisk;
  readonly #records = new Map<string, StorageRecord>();
  readonly #lock = new Lock();

  /** A restarted agent says which mount points are in use, each as often as it has users, and which are shared. */
  constructor(kernel: Kernel, findDisk: FindDisk, users: readonly string[] = [], shared: readonly string[] = []) {
    this.#kernel = kernel;
    this.#findDisk = findDisk;
    for (const mountPoint of [...shared, ...users]) {
      const record = this.#records.get(mountPoint);
      if (record !== undefined) record.users += 1;
      else this.#records.set(mountPoint, { mountPoint, shared: shared.includes(mountPoint), users: 1 });
    }
  }

  get mountPoints(): string[] {
    return [...this.#records.keys()];
  }

  /** Those that stay until the sandbox ends. */
  get shared(): string[] {
    return [...this.#records.values()].filter((record) => record.shared).map(({ mountPoint }) => mountPoint);
  }

  /**
   * Mounts all, in order; when one fails, those before it are released again. Returns their mount points. Disks are waited
   * for before the first is mounted, and nobody else waits meanwhile.
   */
  async acquire(storages: readonly Storage[], signal?: AbortSignal): Promise<string[]> {
    for (const storage of storages) checkStorage(storage);
    const found = await Promise.all(storages.map((storage) => this.#withDisk(storage, signal)));
    return this.#lock.run(async () => {
      const done: string[] = [];
      try {
        for (const storage of found) done.push(await this.#acquireOne(storage));
      } catch (error) {
        await this.#releaseAll(done, false).catch(() => undefined);
        throw error;
      }
      return done;
    });
  }

  /**
   * Takes one user from each; what nobody uses is unmounted, and its mount point removed when it is empty. Goes through
   * all of them, then throws the first error: none is to be released again.
   */
  release(mountPoints: readonly string[], force = false): Promise<void> {
    return this.#lock.run(() => this.#releaseAll(mountPoints, force));
  }

  /** New options, a size above all, of mounted ephemeral storages of this sandbox: of all or, when it fails, of none. */
  updateEphemeral(storages: readonly Storage[]): Promise<void> {
    return this.#lock.run(async () => {
      const named = storages.map((storage) => ({ ...storage, mountPoint: mountPointOf(storage) }));
      const unknown = named.find(({ mountPoint }) => !this.#records.has(mountPoint));
      if (unknown !== undefined) {
        throw new AgentError(
          "invalid-argument",
          `update ephemeral mounts: "${unknown.mountPoint}" is no storage of the sandbox`,
        );
      }
      await updateEphemeral(this.#kernel, named);
    });
  }

  async #withDisk(storage: Storage, signal: AbortSignal | undefined): Promise<Storage> {
    const kind = DRIVERS.get(storage.driver)?.disk;
    return kind === undefined ? storage : { ...storage, source: await this.#findDisk(kind, storage.source, signal) };
  }

  async #acquireOne(storage: Storage): Promise<string> {
    const driver = checkStorage(storage);
    const mountPoint = mountPointOf(storage);
    const present = this.#records.get(mountPoint);
    if (present === undefined) await driver.mount(this.#kernel, { ...storage, mountPoint });
    const shared = storage.shared || present?.shared === true;
    this.#records.set(mountPoint, { mountPoint, shared, users: (present?.users ?? 0) + 1 });
    return mountPoint;
  }

  async #releaseAll(mountPoints: readonly string[], force: boolean): Promise<void> {
    const errors: unknown[] = [];
    for (const mountPoint of mountPoints.toReversed()) {
      await this.#releaseOne(mountPoint, force).catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  async #releaseOne(mountPoint: string, force: boolean): Promise<void> {
    const record = this.#records.get(mountPoint);
    if (record === undefined) return;
    record.users -= 1;
    if (!force && (record.shared || record.users > 0)) return;
    this.#records.delete(mountPoint);
    try {
      await this.#kernel.sys.umount(mountPoint, MNT_DETACH);
    } catch (error) {
      // Nothing is mounted there any more.
      if (!(error instanceof SystemError) || !["EINVAL", "ENOENT"].includes(error.code)) throw error;
    }
    try {
      this.#kernel.files.removeDirectory(mountPoint);
    } catch {
      // Not empty, or not ours: it stays.
    }
  }
}
