import { statSync } from "node:fs";
import { layerOf } from "../../engine/image/disk/layer-store.ts";
import type { ProcessRecord } from "../../engine/record/state-records.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import type { Pruned } from "./pruned.ts";

/** A container of which only the record is left, with its output and the disk that it wrote. */
interface EndedContainer {
  readonly guest: string;
  readonly record: ProcessRecord;
}

const BLOCK_BYTES = 512;

/** Returns the containers that have ended, and that no policy is about to run again. */
function endedContainers(store: StateStore): readonly EndedContainer[] {
  const all = [...store.guests(), ...store.endedGuests()].flatMap(({ name }) =>
    store.processes.list(name).map((record) => ({ guest: name, record })),
  );
  return all.filter(
    ({ record }) => record.exec === record.container && record.ended !== undefined && !record.restarting,
  );
}

/** Removes the records of ended containers, and of guests that died and have no containers left. */
export function pruneContainers(store: StateStore): Pruned {
  const removed = endedContainers(store);
  const bytes = removed.reduce((sum, { record }) => sum + containerBytes(record), 0);
  for (const { guest, record } of removed) store.removeProcess(guest, record);
  const dead = store.endedGuests().filter(({ name }) => store.processes.list(name).length === 0);
  for (const { name } of dead) store.removeGuest(name);
  return { names: removed.map(({ record }) => record.container), bytes };
}

/** Returns the bytes that a container's disk and output have on this machine. */
export function containerBytes({ layer, output }: ProcessRecord): number {
  const files = [...(layer === undefined ? [] : [layerOf(layer).disk.file]), ...(output === undefined ? [] : [output])];
  return files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK_BYTES, 0);
}
