import { isAlive } from "../../../lib/process-owner.ts";
import type { ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import { isToBeRestarted } from "./restarts.ts";

/** A guest, or a container of it (`id`), for which no process does what is left to do. */
export interface Lost {
  readonly guest: string;
  readonly id: string;
  /** True for a container that waits for its next run. */
  readonly isEnded: boolean;
}

/** Finds guests and containers that were handed over, or whose guestctl was killed. */
export function findLost(store: StateStore): readonly Lost[] {
  const running = store.guests().map(({ name }) => name);
  const ended = store.endedGuests().map(({ name }) => name);
  const guests = store.unkept().map(({ name }) => ({ guest: name, id: name, isEnded: false }));
  const containers = [...running, ...ended].flatMap((guest) =>
    store.processes
      .list(guest)
      .filter(isUnserved)
      // After its guest's end, only a container with a guest of its own can be started again.
      .filter(({ exec }) => exec === guest || running.includes(guest))
      .filter(({ exec }) => !guests.some(({ id }) => id === exec && id === guest))
      .map(({ exec, ended: end }) => ({ guest, id: exec, isEnded: end !== undefined })),
  );
  return [...guests, ...containers];
}

/** True for a container that runs, or that its policy restarts, while no process does its part. */
function isUnserved(record: ProcessRecord): boolean {
  const { container, exec, keeper, ended } = record;
  if (container !== exec || keeper === undefined || isAlive(keeper)) return false;
  return ended === undefined || isToBeRestarted(record);
}
