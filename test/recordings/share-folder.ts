import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "../scenarios/machine.ts";

const SHARED = "/run/kata-containers/shared/containers";

/** Creates a rootfs with the group name that the recorded machine had. */
export function recordedRootfs(machine: Machine, name: string): string {
  const rootfs = machine.rootfs(name);
  writeFileSync(join(machine.hostPath(rootfs), "etc/group"), "root:x:0:\n");
  return rootfs;
}

/**
 * On a machine without virtio-fs, mounts a tmpfs named like the share in its place, with a busybox rootfs at each of
 * these paths below it. A host's CreateSandbox finds it mounted.
 */
export async function shareFolder(machine: Machine, paths: readonly string[]): Promise<void> {
  const lines = [`mkdir -p ${SHARED}`, `mount -t tmpfs kataShared ${SHARED}`];
  for (const [index, path] of paths.entries()) {
    const place = path.startsWith(`${SHARED}/`) ? path : `${SHARED}/${path}`;
    const rootfs = recordedRootfs(machine, `shared-${index}`);
    lines.push(`mkdir -p ${place}`, `mount --bind ${rootfs} ${place}`);
  }
  await machine.shell(lines.join(" && "));
}
