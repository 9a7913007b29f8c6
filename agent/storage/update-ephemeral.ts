import { MS_REMOUNT } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { isMountFlag, parseStorageOptions } from "./mount-flags.ts";
import { type MountEntry, mountedOn } from "./mounts.ts";
import type { Storage } from "./storage.ts";

/**
 * Gives mounted tmpfs storages new options, a size above all; flags that are not named stay. All are checked before the
 * first is changed, and when one fails those before it get their sizes back.
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
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `update ephemeral mounts: ${JSON.stringify(mountPoint.slice(0, 200))} ${why}`);
  if (driver !== "ephemeral") throw refuse(`has the driver ${JSON.stringify(driver.slice(0, 40))}, not ephemeral`);
  const present = mountedOn(files, mountPoint);
  if (present?.type !== "tmpfs") throw refuse("is no mounted tmpfs");
  return present;
}

async function remount({ sys }: Kernel, present: MountEntry, options: readonly string[]): Promise<void> {
  const { source, mountPoint, type } = present;
  const { flags, data } = parseStorageOptions([...present.options.filter(isMountFlag), ...options]);
  await sys.mount(source, mountPoint, type, flags | MS_REMOUNT, data);
}
