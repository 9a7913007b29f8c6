import { cgroupNotices } from "../container/cgroup/cgroup-notices.ts";
import { type HookFailure, hookFailures } from "../container/hooks/run-hooks.ts";
import { guestHookProblems } from "../sandbox/guest-hooks.ts";
import { storageNotices } from "../storage/storage-notices.ts";
import type { Log } from "./log.ts";

/** Logs problems that fail no call: limits, guest hooks and storage features left out, and failures of tolerated hooks. */
export function logNotices(log: Log): void {
  for (const notices of [cgroupNotices, storageNotices, guestHookProblems]) {
    notices.subscribe((line) => log.warn(line as string));
  }
  hookFailures.subscribe((failure) => log.warn({ ...(failure as HookFailure) }, "hook failed"));
}
