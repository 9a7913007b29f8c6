import { onlineMemoryBlock } from "../device/online-memory-block.ts";
import { Uevents } from "../device/uevents.ts";
import { listenUevents } from "../kernel/listen-uevents.ts";
import type { RealSys } from "../kernel/sys.ts";
import type { Log } from "./log.ts";

/** The kernel's events of devices, for the agent's whole life. Memory that is plugged in comes online. */
export function watchDevices(sys: RealSys, log: Log): Uevents {
  const uevents = new Uevents();
  uevents.subscribe((event) => {
    if (event !== undefined) void onlineMemoryBlock(event);
  });
  try {
    listenUevents(sys, (message) => uevents.take(message));
  } catch (error) {
    log.error({ error: String(error) }, "no events of devices: what is plugged in is seen after the time-out only");
  }
  return uevents;
}
