import { AgentError } from "../kernel/error.ts";
import { type Mounted, type MountKernel, mountStorage } from "./mount-storage.ts";

/** Mounts the file system of a disk; `source` is the disk's path in /dev. */
export async function mountDisk(kernel: MountKernel, storage: Mounted): Promise<void> {
  const { driver, source, fstype, mountPoint, options } = storage;
  if (fstype === "") throw new AgentError("invalid-argument", `${driver} storage of ${mountPoint}: it has no fstype`);
  try {
    await mountStorage(kernel, storage);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const words = options.length === 0 ? "" : ` with ${options.join(",")}`;
    throw new AgentError("internal", `${driver} storage: ${fstype} on ${source}${words}: ${why}`, { cause: error });
  }
}
