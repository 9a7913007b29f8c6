import { MS_RDONLY } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { firstLines } from "../kernel/first-lines.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { fileSystemAnswers } from "../kernel/wait/file-system-answers.ts";
import { LockByName } from "../kernel/wait/lock.ts";
import { bind } from "./bind.ts";
import { diskDrivers } from "./disk-driver.ts";
import { ephemeral } from "./ephemeral.ts";
import { files } from "./files.ts";
import { foldLayers } from "./fold-layers.ts";
import { applyFsGroup } from "./fs-group.ts";
import { defaultImageSettings, type ImageSettings } from "./image/image-settings.ts";
import { imageGuestPull } from "./image-guest-pull.ts";
import type { Layer } from "./layer.ts";
import { local } from "./local.ts";
import { parseStorageOptions } from "./mount-flags.ts";
import { multiLayer } from "./multi-layer.ts";
import { overlayfs } from "./overlayfs.ts";
import { checkedMountPoint, placeStorage } from "./place-storage.ts";
import { removePlace } from "./remove-place.ts";
import { isSeen } from "./seen-paths.ts";
import { type FindDisk, type PlacedStorage, type Storage, type StorageDriver, storageRoot } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";
import { unmount } from "./unmount.ts";
import { updateEphemeral } from "./update-ephemeral.ts";
import { virtioFs } from "./virtio-fs.ts";
import { watchableBind } from "./watchable-bind.ts";

const DRIVERS: ReadonlyMap<string, StorageDriver> = new Map(
  [
    ...[virtioFs, ephemeral, local, bind, watchableBind, overlayfs],
    ...diskDrivers,
    ...[imageGuestPull, multiLayer, files],
  ].map((driver) => [driver.name, driver]),
);

export const storageDrivers: readonly string[] = [...DRIVERS.keys()];

/** Storages left by the previous agent, and where to save the current ones. */
export interface KeptStorages {
  /** Mount points, repeated once for each user. */
  readonly users: readonly string[];
  readonly known: readonly PlacedStorage[];
  readonly save: (known: readonly PlacedStorage[]) => void;
}

/** A mounted storage and how many users it has. */
interface StorageRecord {
  storage: PlacedStorage;
  users: number;
  watch?: { close(): void } | undefined;
}

/** Returns the storage's driver. Throws for an unknown driver and for an unsupported driver option. */
function checkStorage({ driver: name, driverOptions }: Storage): StorageDriver {
  const driver = DRIVERS.get(name);
  if (driver === undefined) {
    const known = storageDrivers.join(", ");
    throw new AgentError("invalid-argument", `storage driver "${name}" is unknown; supported: ${known}`);
  }
  const { options } = driver;
  const option = options && driverOptions.find((one) => !options.includes(one.split("=", 1)[0] ?? ""));
  if (option === undefined) return driver;
  throw new AgentError("unimplemented", `${driver.name} storage: driver option "${option}" is not supported`);
}

/**
 * Mounts and counts a sandbox's storages by mount point: the first user mounts, the last release unmounts. A slow
 * storage delays only callers that use the same one.
 */
export class Storages {
  readonly #kernel: Kernel;
  readonly #findDisk: FindDisk;
  readonly #images: ImageSettings;
  readonly #save: KeptStorages["save"];
  readonly #records = new Map<string, StorageRecord>();
  readonly #locks = new LockByName();
  /** Mount points from a sandbox whose creation was interrupted. */
  readonly #left: string[];

  constructor(kernel: Kernel, findDisk: FindDisk, kept?: KeptStorages, images: ImageSettings = defaultImageSettings) {
    this.#kernel = kernel;
    this.#findDisk = findDisk;
    this.#images = images;
    this.#save = kept?.save ?? (() => undefined);
    const known = new Map(kept?.known.map((storage) => [storage.mountPoint, storage]));
    for (const mountPoint of [...sharedOf(known), ...(kept?.users ?? [])]) {
      const record = this.#records.get(mountPoint);
      if (record !== undefined) record.users += 1;
      else this.#records.set(mountPoint, { storage: known.get(mountPoint) ?? unknownAt(mountPoint), users: 1 });
    }
    this.#left = [...known.keys()].filter((mountPoint) => !this.#records.has(mountPoint));
    for (const record of this.#records.values()) this.#watch(record);
  }

  /** Unmounts the storages of a sandbox whose creation was interrupted. */
  async removeLeftovers(): Promise<void> {
    for (const mountPoint of this.#left.splice(0)) {
      await unmount(this.#kernel, mountPoint).catch(() => undefined);
      await removePlace(this.#kernel, mountPoint, storageRoot(unknownAt(mountPoint)));
    }
  }

  get mountPoints(): string[] {
    return [...this.#records.keys()];
  }

  /**
   * Mounts all storages in order and returns their mount points; the layers of a root count as one. If one fails,
   * releases those before it. Waits for all disks before mounting the first, without delaying other callers.
   * `container` "" is the sandbox.
   */
  async acquire(requested: readonly Storage[], container: string, signal?: AbortSignal): Promise<string[]> {
    const storages = foldLayers(requested);
    for (const storage of storages) checkStorage(storage);
    const placed = storages.map((storage) => placeStorage(storage, container));
    const found = await Promise.all(placed.map((storage) => this.#withDisk(storage, signal)));
    const done: string[] = [];
    try {
      for (const storage of found) {
        await this.#locks.run(storage.mountPoint, () => this.#acquireOne(storage, signal));
        done.push(storage.mountPoint);
      }
    } catch (error) {
      await this.release(done).catch(() => undefined);
      throw error;
    }
    return done;
  }

  /**
   * Removes one user from each storage. Unmounts a storage without users and removes its empty mount point. Continues
   * after a failure, then throws the first error; no storage needs to be released again.
   */
  async release(mountPoints: readonly string[], force = false): Promise<void> {
    const errors: unknown[] = [];
    for (const mountPoint of mountPoints.toReversed()) {
      const released = this.#locks.run(mountPoint, () => this.#releaseOne(mountPoint, force));
      await released.catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  /**
   * Sets new options, usually a size, on mounted ephemeral storages of this sandbox: on all, or on none if one fails.
   */
  async updateEphemeral(storages: readonly Storage[]): Promise<void> {
    const named = storages.map((storage) => ({ ...storage, mountPoint: checkedMountPoint(storage) }));
    const unknown = named.find(({ mountPoint }) => !this.#records.has(mountPoint));
    if (unknown !== undefined) {
      const which = `"${unknown.mountPoint}" is not a storage of this sandbox`;
      throw new AgentError("invalid-argument", `update ephemeral mounts: ${which}`);
    }
    await this.#locks.run("", () => updateEphemeral(this.#kernel, named));
  }

  /** Follows a change of the guest's host name. What containers did to their files stops no other. */
  async rename(from: string, to: string): Promise<void> {
    for (const { storage } of this.#records.values()) {
      await DRIVERS.get(storage.driver)
        ?.rename?.(this.#kernel, storage, from, to)
        .catch(() => undefined);
    }
  }

  async #withDisk(storage: PlacedStorage, signal: AbortSignal | undefined): Promise<PlacedStorage> {
    const kind = DRIVERS.get(storage.driver)?.disk;
    if (storage.layers !== undefined) {
      const find = async (layer: Layer) => {
        return { ...layer, source: await this.#findDisk(layer.disk, layer.source, signal, layer.partition) };
      };
      return { ...storage, layers: await Promise.all(storage.layers.map(find)) };
    }
    return kind === undefined ? storage : { ...storage, source: await this.#findDisk(kind, storage.source, signal) };
  }

  async #acquireOne(storage: PlacedStorage, signal: AbortSignal | undefined): Promise<void> {
    const { mountPoint, fsGroup, shared } = storage;
    const present = this.#records.get(mountPoint);
    if (present !== undefined) {
      present.users += 1;
      if (shared && !present.storage.shared) present.storage = { ...present.storage, shared };
      return this.#note();
    }
    const record: StorageRecord = { storage, users: 1 };
    this.#records.set(mountPoint, record);
    this.#note();
    let mounted = false;
    try {
      // Before the first access to any of them.
      for (const path of pathsOf(storage)) await fileSystemAnswers(this.#kernel.files, path, signal);
      await checkStorage(storage).mount(this.#kernel, this.#withSeen(storage), { images: this.#images, signal });
      mounted = true;
      const readOnly = (parseStorageOptions(storage.options).flags & MS_RDONLY) !== 0;
      if (fsGroup !== undefined) {
        await applyFsGroup(this.#kernel.contained, storageRoot(storage), mountPoint, fsGroup, readOnly);
      }
      this.#watch(record);
      warnIgnored(storage);
    } catch (error) {
      this.#records.delete(mountPoint);
      if (mounted) await this.#remove(record).catch(() => undefined);
      this.#note();
      throw error;
    }
  }

  async #releaseOne(mountPoint: string, force: boolean): Promise<void> {
    const record = this.#records.get(mountPoint);
    if (record === undefined) return;
    record.users -= 1;
    if (!force && (record.storage.shared || record.users > 0)) return;
    this.#records.delete(mountPoint);
    try {
      await this.#remove(record);
    } finally {
      this.#note();
    }
  }

  async #remove({ storage, watch }: StorageRecord): Promise<void> {
    watch?.close();
    const { mountPoint, driver } = storage;
    const placed = this.#withSeen(storage);
    const covered = await unmount(this.#kernel, mountPoint);
    // A container may still hold the directory of a local storage, which another one gave it.
    await removePlace(this.#kernel, mountPoint, covered ? placed.seen : storageRoot(storage));
    await DRIVERS.get(driver)?.release?.(this.#kernel, placed);
  }

  #withSeen(storage: PlacedStorage): PlacedStorage {
    const { container } = storage;
    const others = [...this.#records.values()].filter((it) => it.users > 1 || it.storage.container !== container);
    const mountPoints = others.map((other) => other.storage.mountPoint);
    const seen = [...pathsOf(storage)].some((path) => isSeen(path, mountPoints));
    return seen ? { ...storage, seen: storageRoot(storage) } : storage;
  }

  #watch(record: StorageRecord): void {
    record.watch = DRIVERS.get(record.storage.driver)?.watch?.(this.#kernel, record.storage);
  }

  #note(): void {
    this.#save([...this.#records.values()].map(({ storage }) => storage));
  }
}

function sharedOf(known: ReadonlyMap<string, PlacedStorage>): string[] {
  return [...known.values()].filter(({ shared }) => shared).map(({ mountPoint }) => mountPoint);
}

/** Warns about driver options that the driver ignores. */
function warnIgnored({ driver, driverOptions, mountPoint }: PlacedStorage): void {
  if (DRIVERS.get(driver)?.options !== undefined) return;
  const lines = driverOptions.map((option) => `driver option ${JSON.stringify(option.slice(0, 80))} is ignored`);
  for (const line of firstLines(lines)) storageNotices.publish(`${driver} storage on ${mountPoint}: ${line}`);
}

/** A storage of which only the mount point is known, from an older agent's state; enough to unmount it. */
function unknownAt(mountPoint: string): PlacedStorage {
  const nothing = { driver: "", driverOptions: [], source: "", fstype: "", options: [] };
  return { ...nothing, mountPoint, shared: false, container: "" };
}

/** Returns all guest paths in a storage, including an overlay's layers in its options. */
function pathsOf({ source, mountPoint, options, driverOptions }: Storage): Set<string> {
  const given = [...options, ...driverOptions].flatMap((option) => option.split(/[=:]/));
  return new Set([source, mountPoint, ...given].filter((path) => path.startsWith("/")));
}
