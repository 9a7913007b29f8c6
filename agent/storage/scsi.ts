import { mountDisk } from "./mount-disk.ts";
import type { StorageDriver } from "./storage.ts";

/** A SCSI disk, by ID:LUN. */
export const scsi: StorageDriver = { name: "scsi", disk: "scsi", mount: mountDisk };
