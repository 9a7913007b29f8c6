import { type HookFailure, hookFailures } from "../container/hooks/run-hooks.ts";
import { guestHookProblems } from "../sandbox/guest-hooks.ts";
import type { Log } from "./log.ts";

/** Logs the hooks whose failure stops nothing, and those of the guest that are not taken. */
export function logHooks(log: Log): void {
  hookFailures.subscribe((message) => log.warn({ ...(message as HookFailure) }, "hook failed"));
  guestHookProblems.subscribe((line) => log.warn(line as string));
}
