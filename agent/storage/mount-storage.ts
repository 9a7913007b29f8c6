import { fstatSync } from "node:fs";
import { dirname } from "node:path";
import { MNT_DETACH, MS_BIND, MS_REC, MS_REMOUNT } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { openPlain } from "../kernel/plain-path.ts";
import { makePlace } from "./make-place.ts";
import { isMountFlag, parseStorageOptions } from "./mount-flags.ts";
import { mountedOn } from "./mounts.ts";
import type { Storage } from "./storage.ts";

/** The fields of a storage that a mount needs. */
export type Mounted = Pick<Storage, "driver" | "source" | "fstype" | "mountPoint" | "options">;

/**
 * Mounts a storage as its options say: a file system, or a directory or file of the guest if the type or an option is
 * `bind`. A bind mount keeps its source's flags and adds its own. Propagation is set last. Leaves nothing mounted on
 * failure.
 */
export async function mountStorage(kernel: Pick<Kernel, "sys" | "files">, storage: Mounted): Promise<void> {
  const { driver, source, fstype, mountPoint, options } = storage;
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
  const shown = isBind ? await openPlain(sys, source) : undefined;
  let undo: () => void = () => undefined;
  try {
    undo = makeTarget(files, driver, mountPoint, shown !== undefined && !fstatSync(shown).isDirectory());
    if (shown === undefined) await sys.mount(source, mountPoint, fstype, flags, data);
    else await sys.mount(`/proc/self/fd/${shown}`, mountPoint, "", MS_BIND | (flags & MS_REC), "");
  } catch (error) {
    undo();
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
    undo();
    throw error;
  }
}

/** Creates the directory or empty file to mount on. Returns a function that removes it again if it was created here. */
function makeTarget(files: Files, driver: string, path: string, isFile: boolean): () => void {
  if (files.exists(path)) return () => undefined;
  makePlace(files, driver, isFile ? dirname(path) : path);
  if (isFile) files.replace(path, "");
  return () => {
    try {
      if (isFile) files.removeTree(path);
      else files.removeDirectory(path);
    } catch {
      // It isn't empty any more.
    }
  };
}
