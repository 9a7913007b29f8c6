import { AgentError } from "../kernel/error.ts";
import type { Uevent } from "./uevent.ts";
import type { Uevents } from "./uevents.ts";

export interface Wanted<Found> {
  /** Names the device in errors: "disk at PCI path 02/01". */
  readonly what: string;
  /** Looks in sysfs, so it also finds a device that came before the agent started. Undefined: not there yet. */
  look(): Found | undefined;
  /** True if it is worth looking again after this event. */
  wakes(event: Uevent): boolean;
  /** Lists what is present instead, for the error. */
  present(): string;
  /** Rescans the bus if the device isn't there at first. A failure only means that it isn't found. */
  rescan?(): Promise<void>;
}

export interface Waiting {
  readonly uevents: Uevents;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Looks again after each event that matters, until the device appears or the time is over. */
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
    if (!look()) settle(() => reject(notFound(wanted, timeoutMs)));
  };
  // Subscribed before the first look, so that no event is missed in between.
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

function notFound({ what, present }: Wanted<unknown>, timeoutMs: number): AgentError {
  return new AgentError("internal", `${what}: still missing after ${timeoutMs} ms; ${present()}`);
}
