import { onlineMemoryBlock } from "../device/online-memory-block.ts";
import { Uevents } from "../device/uevents.ts";
import { listenUevents } from "../kernel/sys/listen-uevents.ts";
import type { RealSys } from "../kernel/sys/sys.ts";
import type { Log } from "./log.ts";

/** Until a socket for the kernel's events is tried again. */
const AGAIN_MS = 1000;

/** The kernel's events of devices, for the agent's whole life. Memory that is plugged in comes online. */
export function watchDevices(sys: RealSys, log: Log): Uevents {
  const uevents = new Uevents();
  uevents.subscribe((event) => {
    if (event !== undefined) void onlineMemoryBlock(event);
  });
  let told = false;
  const lost = (error: unknown) => {
    const again = "no events of devices for now: what is plugged in is seen after the time-out only";
    if (!told) log.error({ error: String(error) }, again);
    told = true;
    setTimeout(listen, AGAIN_MS).unref();
  };
  const listen = () => {
    try {
      listenUevents(sys, (message) => uevents.take(message), lost);
    } catch (error) {
      lost(error);
      return;
    }
    if (told) uevents.take(undefined); // whatever came meanwhile
    told = false;
  };
  listen();
  return uevents;
}
