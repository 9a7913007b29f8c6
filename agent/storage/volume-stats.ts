import { statfs } from "node:fs/promises";
import { SystemError } from "../kernel/error.ts";
import { guestPath } from "../kernel/guest-path.ts";
import { runLimited } from "../kernel/wait/limited-calls.ts";

export interface VolumeCounts {
  readonly total: number;
  readonly used: number;
  /** Available to users other than root. */
  readonly available: number;
}

/**
 * Statistics of the file system that holds `path`. Runs off the main thread, so a hanging share delays only this call.
 */
export async function volumeStats(
  path: string,
): Promise<{ readonly bytes: VolumeCounts; readonly inodes: VolumeCounts }> {
  guestPath("volume path", path);
  const ask = () =>
    statfs(path).catch((error: NodeJS.ErrnoException) => {
      throw new SystemError("statfs", -(error.errno ?? 0), path);
    });
  const stat = await runLimited(path, ask);
  const { bsize, blocks, bfree, bavail, files, ffree } = stat;
  return {
    bytes: { total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize },
    inodes: { total: files, used: files - ffree, available: ffree },
  };
}
