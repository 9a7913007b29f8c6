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

/** One driver: mounts the storage on its mount point, or throws and leaves nothing behind. */
export interface StorageDriver {
  readonly name: string;
  mount(kernel: Kernel, storage: Storage): Promise<void>;
}
