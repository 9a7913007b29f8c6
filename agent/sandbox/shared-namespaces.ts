import { closeSync, constants, openSync } from "node:fs";
import { CLONE_NEWIPC, CLONE_NEWUTS, MNT_DETACH, MS_BIND } from "../kernel/constants.ts";
import type { Kernel } from "../kernel/kernel.ts";

const DIRECTORY = "/run/sandbox-ns";

/** Where hosts and people find the namespaces that the containers of the sandbox share. */
export const sharedNamespacePaths = { ipc: `${DIRECTORY}/ipc`, uts: `${DIRECTORY}/uts` } as const;

/**
 * Makes the sandbox's ipc and uts namespaces, owned by no process, and sets the host name in the latter. What is left
 * there of a creation that failed or was cut off is taken away before.
 */
export async function createSharedNamespaces(kernel: Kernel, hostname: string): Promise<void> {
  await removeSharedNamespaces(kernel);
  kernel.files.makeDirectory(DIRECTORY);
  await create(kernel, "ipc", CLONE_NEWIPC, () => undefined);
  await create(kernel, "uts", CLONE_NEWUTS, () => {
    if (hostname !== "") kernel.sys.sethostname(hostname);
  });
}

export async function removeSharedNamespaces(kernel: Kernel): Promise<void> {
  for (const path of Object.values(sharedNamespacePaths)) {
    await kernel.sys.umount(path, MNT_DETACH).catch(() => undefined);
  }
  kernel.files.removeTree(DIRECTORY);
}

/**
 * Only the main thread changes its namespaces, and it is back in its own before anything else runs: the new one is
 * held by a descriptor, then bound to its path from there.
 */
async function create(kernel: Kernel, type: "ipc" | "uts", flag: number, setUp: () => void): Promise<void> {
  const { sys } = kernel;
  const own = openSync(`/proc/thread-self/ns/${type}`, constants.O_RDONLY);
  let made: number | undefined;
  try {
    sys.unshare(flag);
    try {
      setUp();
      made = openSync(`/proc/thread-self/ns/${type}`, constants.O_RDONLY);
    } finally {
      sys.setns(own, flag);
    }
    const path = sharedNamespacePaths[type];
    kernel.files.replace(path, "");
    await sys.mount(`/proc/self/fd/${made}`, path, "", MS_BIND, "");
  } finally {
    closeSync(own);
    if (made !== undefined) closeSync(made);
  }
}
