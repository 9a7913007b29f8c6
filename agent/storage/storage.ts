import type { Kernel } from "../kernel/kernel.ts";
import type { FsGroup } from "./fs-group.ts";
import type { ImageSettings } from "./image/image-settings.ts";
import type { Layer } from "./layer.ts";

/** Something that the host asks to be mounted in the guest. */
export interface Storage {
  readonly driver: string;
  readonly driverOptions: readonly string[];
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  /** Group that owns the storage, from a pod's fsGroup. */
  readonly fsGroup?: FsGroup;
  /** Stays until the sandbox ends. */
  readonly shared: boolean;
  /** Of one that stands for several of a host (fold-layers.ts). */
  readonly layers?: readonly Layer[];
}

/** A storage as it is mounted: mount point and options in their final form. State files keep it. */
export interface PlacedStorage extends Storage {
  /** Who asked for it first; "" is the sandbox. */
  readonly container: string;
}

/** How a host names the disk of a storage. */
export type DiskKind = "blk" | "mmioblk" | "scsi" | "nvdimm";

/** Waits for a disk, or for a partition of it; gives the path in /dev. */
export type FindDisk = (kind: DiskKind, source: string, signal?: AbortSignal, partition?: number) => Promise<string>;

/** What a mount has beside its storage. */
export interface MountContext {
  readonly images: ImageSettings;
  /** The caller gives it up. */
  readonly signal?: AbortSignal | undefined;
}

/** One driver: mounts the storage on its mount point, or throws and leaves nothing behind. */
export interface StorageDriver {
  readonly name: string;
  /** The source names a disk in this way; `mount` gets the disk's path as source. */
  readonly disk?: DiskKind;
  /** The driver options that it knows, without their values; others are refused. Without this field all are passed over. */
  readonly options?: readonly string[];
  mount(kernel: Kernel, storage: PlacedStorage, context: MountContext): Promise<void>;
  /** What is done while it is mounted, by the next agent as well. */
  watch?(kernel: Kernel, storage: PlacedStorage): { close(): void };
  /** What is left to do when it is unmounted and its empty mount point is gone. */
  release?(kernel: Kernel, storage: PlacedStorage): Promise<void>;
}
