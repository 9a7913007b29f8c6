import type { Sysfs } from "./sysfs.ts";
import { realSysfs } from "./sysfs.ts";
import type { Uevent } from "./uevent.ts";

const BLOCK = /^\/devices\/system\/memory\/memory\d+$/;

/** Brings a block of memory that was plugged in online: Linux leaves that to the guest. */
export async function onlineMemoryBlock({ action, devpath }: Uevent, sysfs: Sysfs = realSysfs): Promise<void> {
  if (action !== "add" || !BLOCK.test(devpath)) return;
  const file = `/sys${devpath}/online`;
  try {
    if (sysfs.readText(file).trim() === "0") await sysfs.write(file, "1");
  } catch {
    // It went again, or there is no room for its page structures: OnlineCPUMem tells the host.
  }
}
