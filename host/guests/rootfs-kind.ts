import { OperationError } from "../operation-error.ts";
import type { GuestRecord } from "../state/state-records.ts";

/**
 * How the containers of a guest get their root file systems: as folders of the host that the guest shares, or as
 * read-only disks with a writable disk for each container.
 */
export const ROOTFS_KINDS = ["share", "block"] as const;
export type RootfsKind = (typeof ROOTFS_KINDS)[number];

export function rootfsOf({ folder }: Pick<GuestRecord, "folder">): RootfsKind {
  return folder === undefined ? "block" : "share";
}

/** Throws OperationError if a running guest has another kind than is wanted. */
export function checkRootfs(guest: Pick<GuestRecord, "name" | "folder">, wanted: RootfsKind | undefined): void {
  const kind = rootfsOf(guest);
  if (wanted === undefined || wanted === kind) return;
  const remedy = `leave it out, or boot a guest with --rootfs ${wanted}`;
  throw new OperationError(`guest ${guest.name}: it was booted with --rootfs ${kind}, not ${wanted}; ${remedy}`);
}
