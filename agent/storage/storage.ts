import type { Kernel } from "../kernel/kernel.ts";

/** Something that the host asks to be mounted in the guest. */
export interface Storage {
  readonly driver: string;
  readonly driverOptions: readonly string[];
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  /** Group that owns the storage, from a pod's fsGroup. */
  readonly fsGroup?: number;
  /** Stays until the sandbox ends. */
  readonly shared: boolean;
}

/** How a host names the disk of a storage. */
export type DiskKind = "blk" | "mmioblk" | "scsi" | "nvdimm";

/** Waits for a disk; gives its path in /dev. */
export type FindDisk = (kind: DiskKind, source: string, signal?: AbortSignal) => Promise<string>;

/** One driver: mounts the storage on its mount point, or throws and leaves nothing behind. */
export interface StorageDriver {
  readonly name: string;
  /** The source names a disk in this way; `mount` gets the disk's path as source. */
  readonly disk?: DiskKind;
  /** The driver options that it knows. */
  readonly options?: readonly string[];
  mount(kernel: Kernel, storage: Storage): Promise<void>;
}
