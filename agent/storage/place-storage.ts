import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import type { PlacedStorage, Storage } from "./storage.ts";

/** No storage may be mounted here: the agent itself needs these directories. */
const GUESTS_OWN = ["/proc", "/sys", "/dev", "/run/guestd"];
const MAX_GID = 0xffff_fffe;

/** Returns the normalised mount point, the key by which storages are counted. Throws for one that is not allowed. */
export function checkedMountPoint({ mountPoint }: Storage): string {
  const refuse = (why: string) => invalidArgument(`storage mount point ${JSON.stringify(mountPoint)} ${why}`);
  if (!mountPoint.startsWith("/")) throw refuse("is not an absolute path");
  if (/(^|\/)\.\.(\/|$)|\0/.test(mountPoint)) throw refuse('contains ".." or a NUL byte');
  const path = mountPoint.replace(/\/+$/, "").replace(/\/(\.?\/)+/g, "/");
  if (path === "" || GUESTS_OWN.some((own) => path === own || path.startsWith(`${own}/`))) {
    throw refuse("belongs to the guest itself");
  }
  return path;
}

/** Normalises the mount point and turns the option `fsgid=` into a group. `container` "" is the sandbox. */
export function placeStorage(storage: Storage, container: string): PlacedStorage {
  const gids = storage.options.filter((option) => option.startsWith("fsgid=")).map((option) => option.slice(6));
  const gid = gids.at(-1);
  if (gid !== undefined && !(/^\d{1,10}$/.test(gid) && Number(gid) <= MAX_GID)) {
    throw invalidArgument(`storage option fsgid=${quoted(gid, 40)} is not a group id`);
  }
  return {
    ...storage,
    mountPoint: checkedMountPoint(storage),
    options: storage.options.filter((option) => !option.startsWith("fsgid=")),
    ...(gid === undefined ? {} : { fsGroup: { gid: Number(gid), onRootMismatch: false } }),
    container,
  };
}
