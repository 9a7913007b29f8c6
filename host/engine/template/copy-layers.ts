import { dirname, join } from "node:path";
import { readManifest, writableFile } from "../../vm/snapshot/manifest.ts";
import { type Layer, LayerStore } from "../image/disk/layer-store.ts";
import type { StateStore } from "../record/state-store.ts";
import { containersIn } from "./container-notes.ts";

/** A copy of a snapshot's layer for a clone. */
export interface LayerCopy {
  readonly layer: Layer;
  /** Folder of the layer that the snapshot's container has. */
  readonly original: string;
}

/** Copies the layers of a snapshot's containers for those of a clone, in the snapshot's order. Rejects with one line. */
export async function copyLayers(store: StateStore, guest: string, snapshot: string): Promise<readonly LayerCopy[]> {
  const { machine, notes } = await readManifest(snapshot);
  const layers = new LayerStore();
  const copies: LayerCopy[] = [];
  for (const [index, { file }] of (machine.writable ?? []).entries()) {
    const original = dirname(file);
    // Without a container, as one that has just ended, the copy lasts as long as this process.
    const { container = "", exec = "" } = containersIn(notes).find(({ layer }) => layer === original) ?? {};
    const record = store.processes.file(guest, { container, exec });
    copies.push({ original, layer: await layers.copy(join(snapshot, writableFile(index)), record) });
  }
  return copies;
}
