import { SHARED_ROOT } from "./shared-path.ts";

/**
 * True if containers may see, or hold up, a directory that leads to the path: one that they can list they can lock for good.
 * These are the share, which holds their volumes and root file systems, and `others`, the mount points of storages that they
 * have. All other directories in which hosts place storages are the guest's own.
 */
export function isSeen(path: string, others: readonly string[]): boolean {
  return [SHARED_ROOT, ...others].some((directory) => path.startsWith(`${directory}/`));
}
