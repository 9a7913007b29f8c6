import { closeSync, constants, openSync } from "node:fs";
import { CLONE_NEWIPC, CLONE_NEWUTS, MNT_DETACH, MS_BIND } from "../kernel/constants.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";

const DIRECTORY = "/run/sandbox-ns";

/** Paths of the namespaces that the sandbox's containers share, as hosts and operators expect them. */
export const sharedNamespacePaths = { ipc: `${DIRECTORY}/ipc`, uts: `${DIRECTORY}/uts` } as const;

/**
 * Creates the sandbox's ipc and uts namespaces, bound to paths so that no process needs to hold them, and sets the host name. First
 * removes the remains of a creation that failed or was interrupted.
 */
export async function createSharedNamespaces(kernel: Kernel, hostname: string): Promise<void> {
  await removeSharedNamespaces(kernel);
  kernel.files.makeDirectory(DIRECTORY);
  await create(kernel, "ipc", CLONE_NEWIPC, () => undefined);
  await create(kernel, "uts", CLONE_NEWUTS, () => {
    if (hostname !== "") kernel.sys.sethostname(hostname);
  });
}

/** Sets the host name in the pod's uts namespace, if it exists, and in the agent's own, which is the guest's. */
export function renameGuest({ sys, files }: Pick<Kernel, "sys" | "files">, hostname: string): void {
  sys.sethostname(hostname);
  if (!files.exists(sharedNamespacePaths.uts)) return;
  using opened = new DisposableStack();
  const open = (path: string) => opened.adopt(openSync(path, constants.O_RDONLY), closeSync);
  const own = open("/proc/thread-self/ns/uts");
  sys.setns(open(sharedNamespacePaths.uts), CLONE_NEWUTS);
  try {
    sys.sethostname(hostname);
  } finally {
    sys.setns(own, CLONE_NEWUTS);
  }
}

export async function removeSharedNamespaces(kernel: Kernel): Promise<void> {
  for (const path of Object.values(sharedNamespacePaths)) {
    await kernel.sys.umount(path, MNT_DETACH).catch(() => undefined);
  }
  kernel.files.removeTree(DIRECTORY);
}

/**
 * Creates one namespace and binds it to its path. Only the main thread changes namespaces, and it returns to its own before anything
 * else runs: a descriptor holds the new namespace until it is bound.
 */
async function create(kernel: Kernel, type: "ipc" | "uts", flag: number, setUp: () => void): Promise<void> {
  const { sys } = kernel;
  using opened = new DisposableStack();
  const current = () => opened.adopt(openSync(`/proc/thread-self/ns/${type}`, constants.O_RDONLY), closeSync);
  const own = current();
  let created: Fd;
  sys.unshare(flag);
  try {
    setUp();
    created = current();
  } finally {
    sys.setns(own, flag);
  }
  const path = sharedNamespacePaths[type];
  kernel.files.replace(path, "");
  await sys.mount(`/proc/self/fd/${created}`, path, "", MS_BIND, "");
}
