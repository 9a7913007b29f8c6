import type { Manifest } from "../../vm/snapshot/manifest.ts";
import type { ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import type { LayerCopy } from "./copy-layers.ts";

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

/** Records the containers of a snapshot as those of its clone, with copies of their layers. */
export function writeContainers(
  store: StateStore,
  guest: string,
  notes: Manifest["notes"],
  copies: readonly LayerCopy[],
): void {
  for (const { layer: original, ...record } of containersIn(notes)) {
    const copy = copies.find((each) => each.original === original);
    store.processes.write(guest, { ...record, ...(copy && { layer: copy.layer.folder }) });
  }
}

/** Returns the containers and execs of a snapshot. */
export function containersIn(notes: Manifest["notes"]): readonly ProcessRecord[] {
  return (notes as ContainerNotes).containers ?? [];
}
