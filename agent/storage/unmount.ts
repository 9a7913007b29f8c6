import { MNT_DETACH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** Takes a mount away, and what it was on when that is an empty directory. Nothing may be mounted there any more. */
export async function unmount({ sys, files }: Pick<Kernel, "sys" | "files">, path: string): Promise<void> {
  try {
    await sys.umount(path, MNT_DETACH);
  } catch (error) {
    if (!(error instanceof SystemError) || !["EINVAL", "ENOENT"].includes(error.code)) throw error;
  }
  try {
    files.removeDirectory(path);
  } catch {
    // Not empty, or not ours: it stays.
  }
}
