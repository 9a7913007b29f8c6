import type { Machine } from "./machine.ts";

let count = 0;

/**
 * Creates a rootfs owned by a container's root whose ids start at 100000, as a host that maps ids provides it. Returns
 * its path.
 */
export async function shiftedRootfs(machine: Machine): Promise<string> {
  const rootfs = machine.rootfs(`shifted-${Date.now().toString(36)}-${++count}`);
  await machine.shell(`chown -R 100000:100000 ${rootfs}`);
  return rootfs;
}
