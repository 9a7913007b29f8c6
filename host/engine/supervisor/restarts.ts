import type { ProcessRecord } from "../record/state-records.ts";

/** When a detached container runs again after its end. */
export interface RestartPolicy {
  readonly when: "no" | "on-failure" | "always";
  /** Restarts after which it is left ended; undefined for no limit. */
  readonly limit?: number;
}

/** True if a container that ended with this code, after so many restarts, runs again. */
export function isRestarted({ when, limit = Number.POSITIVE_INFINITY }: RestartPolicy, code: number, restarts: number) {
  return when === "always" || (when === "on-failure" && code !== 0 && restarts < limit);
}

/** True for a container that has ended and runs again by its policy. */
export function isToBeRestarted({ ended, stopped, request, restarts = 0 }: ProcessRecord): boolean {
  const policy = (request as { readonly flags: { readonly restart?: RestartPolicy } } | undefined)?.flags.restart;
  if (ended === undefined || stopped !== undefined || policy === undefined) return false;
  return isRestarted(policy, ended.code, restarts);
}
