import type { Init } from "../kernel/kernel.ts";

/** Limit until the agent listens. Restoring its containers can take many seconds on a slow machine. */
export const START_LIMIT_MS = 60_000;
/** Heartbeats per limit. Init first checks after half of it. */
const BEATS = 2.5;

export interface Heartbeat {
  /** Ends the start: from now on the event loop may be silent only as long as the option allows. */
  listening(): void;
}

/** Sends heartbeats to init from the event loop, which stop if the loop is stopped, spinning or blocked. A `limitMs` of 0 sends none. */
export function startHeartbeat(init: Pick<Init, "heartbeat">, limitMs: number): Heartbeat {
  if (limitMs === 0) return { listening: () => undefined };
  let limit = Math.max(START_LIMIT_MS, limitMs);
  const beat = () => {
    try {
      init.heartbeat(limit);
    } catch {
      // Init does not read its socket, or has ended. The next beat may get through.
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
