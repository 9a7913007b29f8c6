import { closeSync, fstatSync } from "node:fs";
import { MNT_DETACH, MS_BIND, MS_PRIVATE, MS_REC } from "../../kernel/constants.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { openPlain } from "../../kernel/plain-path.ts";
import { isBind } from "../mounts/mount-kind.ts";
import { parseMountOptions } from "../mounts/mount-options.ts";
import type { MountSpec } from "../spec.ts";

const SOURCES = "/run/guestd/sources";

type SourceKernel = Pick<Kernel, "sys" | "files">;

/**
 * Returns the mounts with each bind source replaced by a mount of it in a directory of the agent: other runtimes
 * resolve the path again, and a container could replace parts of it meanwhile. Includes the mounts below each source;
 * the runtime decides whether they count. `releaseSources` undoes it.
 */
export async function privateSources(
  kernel: SourceKernel,
  id: string,
  mounts: readonly MountSpec[],
): Promise<MountSpec[]> {
  const { sys, files } = kernel;
  const changed: MountSpec[] = [];
  for (const [index, mount] of mounts.entries()) {
    if (!isBind(mount) || parseMountOptions(mount.options).remount) {
      changed.push(mount);
      continue;
    }
    const fd = await openPlain(sys, mount.source);
    try {
      const path = `${SOURCES}/${id}/${index}`;
      files.makeDirectory(SOURCES, 0o700);
      files.makeDirectory(`${SOURCES}/${id}`, 0o700);
      if (fstatSync(fd).isDirectory()) files.makeDirectory(path);
      else files.replace(path, "");
      await sys.mount(`/proc/self/fd/${fd}`, path, "", MS_BIND | MS_REC, "");
      changed.push({ ...mount, source: path });
    } finally {
      closeSync(fd);
    }
  }
  return changed;
}

/** Unmounts the sources, including those of a killed agent. Removes only mount points, never their content. */
export async function releaseSources({ sys, files }: SourceKernel, id: string): Promise<void> {
  const directory = `${SOURCES}/${id}`;
  if (!files.exists(directory)) return;
  for (const name of files.list(directory)) {
    const path = `${directory}/${name}`;
    // Private first, so that an unmount doesn't propagate to a shared source. Both calls fail if an agent was killed
    // before the mount.
    await sys.mount("", path, "", MS_PRIVATE | MS_REC, "").catch(() => undefined);
    await sys.umount(path, MNT_DETACH).catch(() => undefined);
  }
  if (files.mounts().includes(` ${directory}/`)) return;
  files.removeTree(directory);
}
