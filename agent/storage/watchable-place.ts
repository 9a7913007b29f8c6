import { MS_NODEV, MS_NOSUID } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { LockByName } from "../kernel/wait/lock.ts";
import { makePlace } from "./make-place.ts";
import { mountedOn } from "./mounts.ts";
import { SHARED_ROOT } from "./shared-path.ts";
import type { PlacedStorage } from "./storage.ts";

type PlaceKernel = Pick<Kernel, "sys" | "files" | "contained">;

/** The tmpfs's source in /proc/mounts. */
const NAME = "watchable";
/** The tmpfs holds mount points only; each copy has its own tmpfs. */
const TMPFS = "size=1m,mode=0755";

const locks = new LockByName();

/**
 * Mounts a tmpfs over the directory `watchable` of the share, for the first storage with a mount point in it. Hosts
 * share it read-only and empty, as the place for the agent's copies.
 */
export async function coverWatchable(kernel: PlaceKernel, storage: PlacedStorage): Promise<void> {
  const { sys, files } = kernel;
  const place = placeOf(storage.mountPoint);
  if (place === undefined) return;
  await locks.run(place, async () => {
    if (mountedOn(files, place)?.source === NAME) return;
    await makePlace(kernel, storage, place);
    await sys.mount(NAME, place, "tmpfs", MS_NOSUID | MS_NODEV, TMPFS);
  });
}

/** Unmounts the tmpfs unless it holds another storage. */
export async function uncoverWatchable({ sys, files }: PlaceKernel, mountPoint: string): Promise<void> {
  const place = placeOf(mountPoint);
  if (place === undefined) return;
  await locks.run(place, async () => {
    if (mountedOn(files, place)?.source !== NAME) return;
    await sys.umount(place, 0).catch((error: unknown) => {
      if (!(error instanceof SystemError) || error.code !== "EBUSY") throw error;
    });
  });
}

function placeOf(mountPoint: string): string | undefined {
  const end = mountPoint.indexOf(`/${NAME}/`, SHARED_ROOT.length);
  return mountPoint.startsWith(`${SHARED_ROOT}/`) && end >= 0 ? mountPoint.slice(0, end + 1 + NAME.length) : undefined;
}
