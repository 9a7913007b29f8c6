import { fstatSync } from "node:fs";
import { MNT_DETACH, MS_BIND, MS_REC, MS_REMOUNT, O_PATH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { FileRoot } from "../kernel/files/contained-files.ts";
import { PLAIN, ROOT } from "../kernel/files/served-files.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { holdable, openPlain, plainPath } from "../kernel/plain-path.ts";
import { makePlace } from "./make-place.ts";
import { isMountFlag, parseStorageOptions } from "./mount-flags.ts";
import { mountedOn } from "./mounts.ts";
import { pathOf } from "./path-of.ts";
import { removePlace } from "./remove-place.ts";
import type { PlacedStorage } from "./storage.ts";

/** The fields of a storage that a mount needs. */
export type Mounted = Pick<PlacedStorage, "driver" | "source" | "fstype" | "mountPoint" | "options" | "seen">;

export type MountKernel = Pick<Kernel, "sys" | "files" | "contained">;

/**
 * Mounts a storage as its options say: a file system, or a directory or file of the guest if the type or an option is
 * `bind`. A bind mount keeps its source's flags and adds its own. Propagation is set last. Leaves nothing mounted on
 * failure.
 */
export async function mountStorage(kernel: MountKernel, storage: Mounted): Promise<void> {
  const { driver, source, fstype, mountPoint, options, seen } = storage;
  const { flags, data, propagation } = parseStorageOptions(options);
  const isBind = fstype === "bind" || (flags & MS_BIND) !== 0;
  if (isBind && data !== "") {
    throw new AgentError(
      "invalid-argument",
      `${driver} storage: a bind mount can't have option "${data.slice(0, 200)}"`,
    );
  }
  const { sys, files } = kernel;
  // Through a descriptor, because containers may be able to change the source's path.
  const shown = isBind ? await openSeen(kernel, source, seen) : undefined;
  const isFile = shown !== undefined && !fstatSync(shown).isDirectory();
  let made = false;
  const undo = async () => (made ? await removePlace(kernel, mountPoint, seen, isFile) : undefined);
  const mountOn = (target: string) =>
    shown === undefined
      ? sys.mount(source, target, fstype, flags, data)
      : sys.mount(pathOf(shown), target, "", MS_BIND | (flags & MS_REC), "");
  try {
    made = await makePlace(kernel, storage, mountPoint, isFile);
    if (seen === undefined) await mountOn(mountPoint);
    else await onSeen(kernel, mountPoint, seen, mountOn);
  } catch (error) {
    await undo();
    throw error;
  } finally {
    if (shown !== undefined) sys.close(shown);
  }
  try {
    if (isBind && (flags & ~(MS_BIND | MS_REC)) !== 0) {
      const kept = mountedOn(files, mountPoint)?.options.filter(isMountFlag) ?? [];
      const own = parseStorageOptions([...kept, ...options]).flags & ~MS_REC;
      await sys.mount("", mountPoint, "", own | MS_BIND | MS_REMOUNT, "");
    }
    if (propagation !== 0) await sys.mount("", mountPoint, "", propagation, "");
  } catch (error) {
    await sys.umount(mountPoint, MNT_DETACH).catch(() => undefined);
    await undo();
    throw error;
  }
}

/**
 * Opens a path. If containers see the way to it, a file server opens it first: one that a container holds fails there, and
 * the kernel then knows every name on the way.
 */
async function openSeen({ sys, contained }: MountKernel, path: string, seen: FileRoot | undefined): Promise<Fd> {
  if (seen !== undefined) {
    await contained.use(seen, (served) =>
      served.using(served.open(ROOT, plainPath(path), O_PATH, PLAIN), async () => undefined),
    );
  }
  return await openPlain(sys, path);
}

/** Mounts on a directory that containers see, whose lock the kernel takes, by its descriptor: they may replace it by a link. */
async function onSeen(
  kernel: MountKernel,
  mountPoint: string,
  seen: FileRoot,
  mountOn: (target: string) => Promise<void>,
): Promise<void> {
  const target = await openSeen(kernel, mountPoint, seen);
  try {
    await holdable.run(mountPoint, () => mountOn(pathOf(target)));
  } finally {
    kernel.sys.close(target);
  }
}
