import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { parseStorageOptions } from "./mount-flags.ts";
import type { Storage } from "./storage.ts";

/** The file system on a disk; `source` is the disk's path in /dev. */
export async function mountDisk({ sys, files }: Kernel, storage: Storage): Promise<void> {
  const { driver, source, fstype, mountPoint, options, fsGroup } = storage;
  if (fstype === "") throw new AgentError("invalid-argument", `${driver} storage of ${mountPoint}: it has no fstype`);
  if (fsGroup !== undefined) throw new AgentError("unimplemented", `${driver} storage: fs_group is not supported`);
  const { flags, data } = parseStorageOptions(options);
  files.makeDirectory(mountPoint);
  try {
    await sys.mount(source, mountPoint, fstype, flags, data);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const words = options.length === 0 ? "" : ` with ${options.join(",")}`;
    throw new AgentError("internal", `${driver} storage: ${fstype} on ${source}${words}: ${why}`, { cause: error });
  }
}
