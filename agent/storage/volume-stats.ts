import { O_PATH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import { type ContainedFiles, directoryOwner, guestRoot } from "../kernel/files/contained-files.ts";
import { ROOT } from "../kernel/files/served-files.ts";
import { guestPath } from "../kernel/guest-path.ts";

export interface VolumeCounts {
  readonly total: number;
  readonly used: number;
  /** Available to users other than root. */
  readonly available: number;
}

/** Statistics of the file system that holds `path`, by a file server: a file system that hangs delays only this volume's calls. */
export async function volumeStats(
  contained: Pick<ContainedFiles, "use">,
  path: string,
): Promise<{ readonly bytes: VolumeCounts; readonly inodes: VolumeCounts }> {
  guestPath("volume path", path);
  const ask = () =>
    contained.use(guestRoot(directoryOwner(path)), (files) =>
      files.using(files.open(ROOT, path, O_PATH), (handle) => files.statfs(handle)),
    );
  const { blockBytes, blocks, free, available, files, filesFree } = await ask().catch((error: unknown) => {
    throw error instanceof SystemError ? new SystemError("statfs", error.errno, path) : error;
  });
  return {
    bytes: { total: blocks * blockBytes, used: (blocks - free) * blockBytes, available: available * blockBytes },
    inodes: { total: files, used: files - filesFree, available: filesFree },
  };
}
