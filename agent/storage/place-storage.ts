import { AgentError } from "../kernel/error.ts";
import type { PlacedStorage, Storage } from "./storage.ts";

/** Where no storage may be mounted: the agent itself lives on these. */
const GUESTS_OWN = ["/proc", "/sys", "/dev", "/run/guestd"];
const MAX_GID = 0xffff_fffe;

/** The mount point as it is counted: without slashes at its end. Throws for one that no storage may have. */
export function mountPointOf({ mountPoint }: Storage): string {
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `storage mount point ${JSON.stringify(mountPoint)} ${why}`);
  if (!mountPoint.startsWith("/")) throw refuse("is not an absolute path");
  if (/(^|\/)\.\.(\/|$)|\0/.test(mountPoint)) throw refuse('has ".." or a NUL byte in it');
  const path = mountPoint.replace(/\/+$/, "").replace(/\/(\.?\/)+/g, "/");
  if (path === "" || GUESTS_OWN.some((own) => path === own || path.startsWith(`${own}/`))) {
    throw refuse("belongs to the guest itself");
  }
  return path;
}

/** The storage with its mount point as it is counted; an option `fsgid=` is its group. `container`: "" is the sandbox. */
export function placeStorage(storage: Storage, container: string): PlacedStorage {
  const gids = storage.options.filter((option) => option.startsWith("fsgid=")).map((option) => option.slice(6));
  const gid = gids.at(-1);
  if (gid !== undefined && !(/^\d{1,10}$/.test(gid) && Number(gid) <= MAX_GID)) {
    throw new AgentError("invalid-argument", `storage option fsgid=${JSON.stringify(gid.slice(0, 40))} is no group`);
  }
  return {
    ...storage,
    mountPoint: mountPointOf(storage),
    options: storage.options.filter((option) => !option.startsWith("fsgid=")),
    ...(gid === undefined ? {} : { fsGroup: { gid: Number(gid), onRootMismatch: false } }),
    container,
  };
}
