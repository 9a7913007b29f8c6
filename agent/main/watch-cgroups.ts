import { cgroupNotices } from "../container/cgroup/cgroup-notices.ts";
import type { Log } from "./log.ts";

/** Logs the limits that are left out. */
export function logCgroups(log: Log): void {
  cgroupNotices.subscribe((line) => log.warn(line as string));
}
