import type { Machine } from "./machine.ts";

/** MemTotal of the guest, bytes. */
export async function guestMemory(machine: Machine): Promise<number> {
  return Number(/MemTotal: +(\d+)/.exec(await machine.shell("cat /proc/meminfo"))?.[1]) * 1024;
}
