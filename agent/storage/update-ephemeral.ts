import { MS_REMOUNT } from "../kernel/constants.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { isMountFlag, parseStorageOptions } from "./mount-flags.ts";
import { type MountEntry, mountedOn } from "./mounts.ts";
import type { Storage } from "./storage.ts";

/**
 * Remounts tmpfs storages with new options, usually a size. Flags that are not named stay. Checks all before changing
 * the first, and restores the sizes if one fails.
 */
export async function updateEphemeral(kernel: Kernel, storages: readonly Storage[]): Promise<void> {
  const mounts = storages.map((storage) => ({ storage, present: presentMount(kernel, storage) }));
  const done: MountEntry[] = [];
  try {
    for (const { storage, present } of mounts) {
      const given = storage.options.filter((option) => !option.startsWith("fsgid="));
      if (given.length === 0) continue;
      await remount(kernel, present, given);
      done.push(present);
    }
  } catch (error) {
    for (const present of done) {
      const size = present.options.filter((option) => option.startsWith("size="));
      await remount(kernel, present, size).catch(() => undefined);
    }
    throw error;
  }
}

function presentMount({ files }: Kernel, { driver, mountPoint }: Storage): MountEntry {
  const refuse = (why: string) => invalidArgument(`update ephemeral mounts: ${quoted(mountPoint, 200)} ${why}`);
  if (driver !== "ephemeral") throw refuse(`has the driver ${quoted(driver, 40)}, not ephemeral`);
  const present = mountedOn(files, mountPoint);
  if (present?.type !== "tmpfs") throw refuse("is not a mounted tmpfs");
  return present;
}

async function remount({ sys }: Kernel, present: MountEntry, options: readonly string[]): Promise<void> {
  const { source, mountPoint, type } = present;
  const { flags, data } = parseStorageOptions([...present.options.filter(isMountFlag), ...options]);
  await sys.mount(source, mountPoint, type, flags | MS_REMOUNT, data);
}
