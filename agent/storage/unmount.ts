import { MNT_DETACH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";

/**
 * Unmounts a path; resolves to false if nothing is mounted there. The kernel keeps a mount point's path in memory: resolving it
 * waits for no directory that a container holds.
 */
export async function unmount({ sys }: Pick<Kernel, "sys">, path: string): Promise<boolean> {
  try {
    await sys.umount(path, MNT_DETACH);
    return true;
  } catch (error) {
    if (!(error instanceof SystemError) || !["EINVAL", "ENOENT"].includes(error.code)) throw error;
    return false;
  }
}
