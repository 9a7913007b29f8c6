import { statfs } from "node:fs/promises";
import { SystemError } from "../kernel/error.ts";
import { guestPath } from "../kernel/guest-path.ts";
import { mayHang } from "../kernel/wait/limited-calls.ts";

export interface VolumeCounts {
  readonly total: number;
  readonly used: number;
  /** To those who are not root. */
  readonly available: number;
}

/** Of the file system that holds `path`. Off the main thread: a share whose host side hangs holds nobody else up. */
export async function volumeStats(
  path: string,
): Promise<{ readonly bytes: VolumeCounts; readonly inodes: VolumeCounts }> {
  guestPath("volume path", path);
  const ask = () =>
    statfs(path).catch((error: NodeJS.ErrnoException) => {
      throw new SystemError("statfs", -(error.errno ?? 0), path);
    });
  const stat = await mayHang(path, ask);
  const { bsize, blocks, bfree, bavail, files, ffree } = stat;
  return {
    bytes: { total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize },
    inodes: { total: files, used: files - ffree, available: ffree },
  };
}
