import { OperationError } from "../../operation-error.ts";
import type { GuestRecord } from "../record/state-records.ts";

/**
 * How the containers of a guest get their root file systems: as read-only disks with a writable disk for each container,
 * or as folders of the host that the guest shares.
 */
export const ROOTFS_KINDS = ["block", "share"] as const;
export type RootfsKind = (typeof ROOTFS_KINDS)[number];

/** Returns the kind of a guest. One with its roots on disks can have a shared folder too, for volumes. */
export function rootfsOf({ folder, rootfs }: Pick<GuestRecord, "folder" | "rootfs">): RootfsKind {
  return rootfs ?? (folder === undefined ? "block" : "share");
}

/** Throws OperationError if a running guest has another kind than is wanted. */
export function checkRootfs(
  guest: Pick<GuestRecord, "name" | "folder" | "rootfs">,
  wanted: RootfsKind | undefined,
): void {
  const kind = rootfsOf(guest);
  if (wanted === undefined || wanted === kind) return;
  const remedy = `leave it out, or boot a guest with --rootfs ${wanted}`;
  throw new OperationError(`guest ${guest.name}: it has --rootfs ${kind}, not ${wanted}; ${remedy}`);
}
