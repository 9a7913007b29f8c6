import type { Manifest } from "../../machine/snapshot/manifest.ts";
import type { ProcessRecord } from "../../state/state-records.ts";
import type { StateStore } from "../../state/state-store.ts";

/** The part of a snapshot's notes that tells which containers its guest has. */
interface ContainerNotes {
  readonly containers?: readonly ProcessRecord[];
}

/** Returns the notes of a guest's running containers and execs, without what belongs to the process that keeps them. */
export function containerNotes(records: readonly ProcessRecord[]): ContainerNotes & Manifest["notes"] {
  const running = records.filter(({ ended, starting }) => ended === undefined && starting === undefined);
  return {
    containers: running.map(({ keeper, output, kept, request, restarts, restarting, ...record }) => record),
  };
}

/** Records the containers of a snapshot as those of its clone. */
export function writeContainers(store: StateStore, guest: string, notes: Manifest["notes"]): void {
  for (const record of containersIn(notes)) store.processes.write(guest, record);
}

/** Returns the containers and execs of a snapshot. */
export function containersIn(notes: Manifest["notes"]): readonly ProcessRecord[] {
  return (notes as ContainerNotes).containers ?? [];
}
