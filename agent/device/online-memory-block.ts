import type { Sysfs } from "./sysfs.ts";
import { realSysfs } from "./sysfs.ts";
import type { Uevent } from "./uevent.ts";

const BLOCK = /^\/devices\/system\/memory\/memory\d+$/;

/** Brings a plugged-in memory block online, which Linux leaves to the guest. */
export async function onlineMemoryBlock({ action, devpath }: Uevent, sysfs: Sysfs = realSysfs): Promise<void> {
  if (action !== "add" || !BLOCK.test(devpath)) return;
  const file = `/sys${devpath}/online`;
  try {
    if (sysfs.readText(file).trim() === "0") await sysfs.write(file, "1");
  } catch {
    // Unplugged again, or no room for its page structures: OnlineCPUMem reports that to the host.
  }
}
