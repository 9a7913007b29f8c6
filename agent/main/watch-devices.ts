import { onlineMemoryBlock } from "../device/online-memory-block.ts";
import { Uevents } from "../device/uevents.ts";
import { listenUevents } from "../kernel/sys/listen-uevents.ts";
import type { RealSys } from "../kernel/sys/sys.ts";
import type { Log } from "./log.ts";

/** Delay before a uevent socket is reopened. */
const RETRY_MS = 1000;

/** Follows the kernel's device events for the agent's whole life, and brings hot-plugged memory online. */
export function watchDevices(sys: RealSys, log: Log): Uevents {
  const uevents = new Uevents();
  uevents.subscribe((event) => {
    if (event !== undefined) void onlineMemoryBlock(event);
  });
  let reported = false;
  const lost = (error: unknown) => {
    const message = "no device events for now: hot-plugged devices are found only after the time-out";
    if (!reported) log.error({ error: String(error) }, message);
    reported = true;
    setTimeout(listen, RETRY_MS).unref();
  };
  const listen = () => {
    try {
      listenUevents(sys, (message) => uevents.take(message), lost);
    } catch (error) {
      lost(error);
      return;
    }
    if (reported) uevents.take(undefined); // events may have been lost meanwhile
    reported = false;
  };
  listen();
  return uevents;
}
