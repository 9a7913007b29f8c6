import type { Init } from "../kernel/kernel.ts";

/** Limit until the agent listens: it restores its containers meanwhile, on a slow machine for many seconds. */
export const START_LIMIT_MS = 60_000;
/** Heartbeats in one limit: init checks for the first time after half of it. */
const BEATS = 2.5;

export interface Heartbeat {
  /** The start is over: from now on the event loop may be silent for no longer than the option allows. */
  listening(): void;
}

/** Sends init heartbeats from the event loop: one that is stopped, spinning or blocked sends none. `limitMs` 0: none ever. */
export function startHeartbeat(init: Pick<Init, "heartbeat">, limitMs: number): Heartbeat {
  if (limitMs === 0) return { listening: () => undefined };
  let limit = Math.max(START_LIMIT_MS, limitMs);
  const beat = () => {
    try {
      init.heartbeat(limit);
    } catch {
      // Init does not read its socket, or is gone. The next beat may get through.
    }
  };
  beat();
  setInterval(beat, limitMs / BEATS).unref();
  return {
    listening() {
      limit = limitMs;
      beat();
    },
  };
}
