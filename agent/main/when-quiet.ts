import type { Channel } from "node:diagnostics_channel";
import { activity } from "../kernel/activity.ts";
import { diagnostics } from "../transport/diagnostics.ts";

/** The agent is quiet after this time without a call that ended, or activity on guestd.v1.Streams. */
const QUIET_MS = 1000;
/** Longest wait for a quiet agent. */
const LIMIT_MS = 30_000;

interface Options {
  /** True while a call or a connection is open that the agent's end would cut off. */
  readonly isBusy: () => boolean;
  /** Publishes a CallEvent for every call that has ended. */
  readonly calls?: Channel;
}

/** Acts once, as soon as the agent is quiet, or after 30 s. */
export function whenQuiet(act: () => void, { isBusy, calls = diagnostics.call }: Options): void {
  const limit = performance.now() + LIMIT_MS;
  let timer: NodeJS.Timeout;
  const arm = () => {
    clearTimeout(timer);
    timer = setTimeout(onQuiet, Math.min(QUIET_MS, Math.max(0, limit - performance.now())));
  };
  const onQuiet = () => {
    if (isBusy() && performance.now() < limit) return arm();
    calls.unsubscribe(arm);
    activity.unsubscribe(arm);
    act();
  };
  calls.subscribe(arm);
  activity.subscribe(arm);
  arm();
}
