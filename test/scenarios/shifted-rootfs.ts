import type { Machine } from "./machine.ts";

let count = 0;

/** A rootfs that belongs to the root of a container with ids from 100000 on, as a host that maps ids hands it over. */
export async function shiftedRootfs(machine: Machine): Promise<string> {
  const rootfs = machine.rootfs(`shifted-${Date.now().toString(36)}-${++count}`);
  await machine.shell(`chown -R 100000:100000 ${rootfs}`);
  return rootfs;
}
