import { AgentError } from "../kernel/error.ts";
import type { Uevent } from "./uevent.ts";
import type { Uevents } from "./uevents.ts";

export interface Wanted<Found> {
  /** For the error: "disk at PCI path 02/01". */
  readonly what: string;
  /** In sysfs, where it stands whether it came before or after the agent. Undefined: not yet. */
  look(): Found | undefined;
  /** After this event it is worth looking again. */
  wakes(event: Uevent): boolean;
  /** What is there instead, for the error. */
  present(): string;
  /** Has the bus looked through when it isn't there at first; its failure is no more than "not there". */
  rescan?(): Promise<void>;
}

export interface Waiting {
  readonly uevents: Uevents;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Looks, and looks again after each event that matters, until the device is there or the time is over. */
export function waitForDevice<Found>(wanted: Wanted<Found>, waiting: Waiting): Promise<Found> {
  const { uevents, timeoutMs, signal } = waiting;
  const { promise, resolve, reject } = Promise.withResolvers<Found>();
  const settle = (done: () => void) => {
    unsubscribe();
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    done();
  };
  const look = (): boolean => {
    try {
      const found = wanted.look();
      if (found !== undefined) settle(() => resolve(found));
      return found !== undefined;
    } catch (error) {
      settle(() => reject(error));
      return true;
    }
  };
  const abort = () => settle(() => reject(signal?.reason));
  const late = () => {
    if (!look()) settle(() => reject(notThere(wanted, timeoutMs)));
  };
  // Before the first look, so that nothing comes unnoticed between the two.
  const unsubscribe = uevents.subscribe((event) => {
    if (event === undefined || wanted.wakes(event)) look();
  });
  const timer = setTimeout(late, timeoutMs);
  if (signal?.aborted) abort();
  else if (!look()) {
    signal?.addEventListener("abort", abort, { once: true });
    wanted.rescan?.().then(look, () => undefined);
  }
  return promise;
}

function notThere({ what, present }: Wanted<unknown>, timeoutMs: number): AgentError {
  return new AgentError("internal", `${what}: not there after ${timeoutMs} ms; ${present()}`);
}
