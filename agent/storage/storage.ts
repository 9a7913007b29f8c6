import { directoryOwner, type FileRoot, guestRoot } from "../kernel/files/contained-files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { FsGroup } from "./fs-group.ts";
import type { ImageSettings } from "./image/image-settings.ts";
import type { Layer } from "./layer.ts";

/** A storage that the host requests to be mounted in the guest. */
export interface Storage {
  readonly driver: string;
  readonly driverOptions: readonly string[];
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  /** Group that should own the storage, from the pod's fsGroup. */
  readonly fsGroup?: FsGroup;
  /** Kept until the sandbox ends. */
  readonly shared: boolean;
  /** Set if this storage combines several of the host's (fold-layers.ts). */
  readonly layers?: readonly Layer[];
}

/** A storage with its final mount point and options. State files keep it. */
export interface PlacedStorage extends Storage {
  /** The container that requested it first; "" is the sandbox. */
  readonly container: string;
  /** Whose file server opens its paths first, if containers see a directory on the way. State files omit it. */
  readonly seen?: FileRoot | undefined;
}

/** Returns the guest's files as a storage's own: what containers hold up in it fails no call for another storage. */
export function storageRoot({ container, mountPoint }: PlacedStorage): FileRoot {
  return guestRoot(container === "" ? directoryOwner(mountPoint) : container);
}

/** How a host addresses a storage's disk. */
export type DiskKind = "blk" | "mmioblk" | "scsi" | "nvdimm";

/** Waits for a disk, or for one of its partitions, and returns its path in /dev. */
export type FindDisk = (kind: DiskKind, source: string, signal?: AbortSignal, partition?: number) => Promise<string>;

/** Passed to a driver besides the storage. */
export interface MountContext {
  readonly images: ImageSettings;
  /** Aborts when the caller cancels the call. */
  readonly signal?: AbortSignal | undefined;
}

/** A storage driver. `mount` mounts the storage on its mount point, or throws and leaves nothing behind. */
export interface StorageDriver {
  readonly name: string;
  /** Set if the source addresses a disk in this way; `mount` then gets the disk's path as source. */
  readonly disk?: DiskKind;
  /**
   * Supported driver options without values; others are refused. If absent, all driver options are ignored with a
   * warning.
   */
  readonly options?: readonly string[];
  mount(kernel: Kernel, storage: PlacedStorage, context: MountContext): Promise<void>;
  /** Work to do while the storage is mounted. The next agent resumes it. */
  watch?(kernel: Kernel, storage: PlacedStorage): { close(): void };
  /** Called when the guest's host name has changed. */
  rename?(kernel: Kernel, storage: PlacedStorage, from: string, to: string): Promise<void>;
  /** Called after the storage is unmounted and its empty mount point removed. */
  release?(kernel: Kernel, storage: PlacedStorage): Promise<void>;
}
