import { type HookFailure, hookFailures } from "../container/run-hooks.ts";
import type { Log } from "./log.ts";

/** Logs the hooks whose failure stops nothing. */
export function logHooks(log: Log): void {
  hookFailures.subscribe((message) => log.warn({ ...(message as HookFailure) }, "hook failed"));
}
