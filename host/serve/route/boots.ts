import { timelineSteps } from "../../engine/guest/boot-timeline.ts";
import type { BootEntry } from "../../engine/record/boot-log.ts";
import type { GuestRecord } from "../../engine/record/state-records.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import type { Boot } from "../protocol/requests.ts";

/** Boots of guests that are gone. */
const MAX_EARLIER = 50;

/** Returns how a guest booted, step by step. */
export function bootOf({ name, bootedAt, accelerator, clone, timeline, ended }: GuestRecord): Boot {
  return {
    guest: name,
    bootedAt,
    accelerator,
    isClone: clone !== undefined,
    isRunning: ended === undefined,
    ...(ended === undefined ? {} : { endedAt: ended.at, why: ended.why }),
    steps: stepsOf(timeline),
  };
}

/** Returns the boots of all guests with a record, and the last ones of guests that are gone; the last one first. */
export function bootsOf(store: Pick<StateStore, "guests" | "endedGuests" | "boots">): readonly Boot[] {
  const records = [...store.guests(), ...store.endedGuests()];
  const known = new Set(records.map(({ name, timeline }) => JSON.stringify([name, timeline])));
  const earlier = store.boots
    .list()
    .flatMap(earlierBoot)
    .filter(({ key }) => !known.has(key))
    .slice(-MAX_EARLIER);
  const boots = [...records.map(bootOf), ...earlier.map(({ boot }) => boot)];
  return boots.toSorted((a, b) => b.bootedAt.localeCompare(a.bootedAt));
}

function earlierBoot(entry: BootEntry): { readonly key: string; readonly boot: Boot }[] {
  if ("failed" in entry || entry.details === undefined) return [];
  const { guest, timeline, at } = entry.details;
  const { accelerator } = entry;
  const boot = { guest, bootedAt: at, accelerator, isClone: false, isRunning: false, steps: stepsOf(timeline) };
  return [{ key: JSON.stringify([guest, timeline]), boot }];
}

function stepsOf(timeline: GuestRecord["timeline"]): Boot["steps"] {
  return timelineSteps(timeline).map(([name, ms]) => ({ name, ms }));
}
