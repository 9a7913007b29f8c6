import { createHash } from "node:crypto";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { mountDisk } from "./mount-disk.ts";
import type { Mounted } from "./mount-storage.ts";
import { openVerity, type VerityTree } from "./verity.ts";

/** Mounts a disk read-only through a dm-verity device with this name. Leaves neither on failure. */
export async function mountVerified(
  kernel: Pick<Kernel, "sys" | "files" | "contained">,
  device: string,
  tree: VerityTree,
  disk: Mounted,
): Promise<void> {
  const source = await openVerity(kernel.sys, device, disk.source, tree);
  try {
    await mountDisk(kernel, { ...disk, source, options: [...new Set([...disk.options, "ro"])] });
  } catch (error) {
    await kernel.sys.unmapDevice(device).catch(() => undefined);
    if (!(error instanceof AgentError)) throw error;
    const why = `dm-verity of ${disk.source} blocks data that doesn't match the root hash`;
    throw new AgentError(error.kind, `${error.message}; ${why}`, { cause: error });
  }
}

/** Returns the device name for a container id or mount point, which are too long themselves. */
export function verityDevice(owner: string): string {
  return `kata-verity-${createHash("sha256").update(owner).digest("hex").slice(0, 32)}`;
}
