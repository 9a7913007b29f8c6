import { MNT_DETACH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** Unmounts a path, then removes the mount point if it is an empty directory. Succeeds if nothing is mounted there. */
export async function unmount({ sys, files }: Pick<Kernel, "sys" | "files">, path: string): Promise<void> {
  try {
    await sys.umount(path, MNT_DETACH);
  } catch (error) {
    if (!(error instanceof SystemError) || !["EINVAL", "ENOENT"].includes(error.code)) throw error;
  }
  try {
    files.removeDirectory(path);
  } catch {
    // Not empty, or not created here.
  }
}
