import { timelineSteps } from "../../sandbox/boot-timeline.ts";
import type { GuestRecord } from "../../state/state-records.ts";
import type { StateStore } from "../../state/state-store.ts";
import type { Boot } from "../protocol/requests.ts";

/** Returns how a guest booted, step by step. */
export function bootOf({ name, bootedAt, accelerator, clone, timeline, ended }: GuestRecord): Boot {
  return {
    ...{ guest: name, bootedAt, accelerator, isClone: clone !== undefined },
    ...(ended === undefined ? {} : { endedAt: ended.at, ...(ended.why === undefined ? {} : { why: ended.why }) }),
    steps: timelineSteps(timeline).map(([step, ms]) => ({ name: step, ms })),
  };
}

/** Returns the boots of all guests with a record, the last one first. */
export function bootsOf(store: StateStore): readonly Boot[] {
  const boots = [...store.guests(), ...store.endedGuests()].map(bootOf);
  return boots.toSorted((a, b) => b.bootedAt.localeCompare(a.bootedAt));
}
