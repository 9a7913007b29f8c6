import { diskDriver } from "./disk-driver.ts";

/** A SCSI disk, by ID:LUN. */
export const scsi = diskDriver("scsi");
