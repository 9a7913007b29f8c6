import type { Volume } from "../guest/shared-folder.ts";
import { VolumeStore } from "./volume-store.ts";

/** A named volume mounted in a container. */
export interface NamedVolume extends Omit<Volume, "host"> {
  readonly name: string;
}

/** Volumes of a container that is being started. Until disposal none that has a name is removed. */
export interface UsedVolumes extends Disposable {
  readonly folders: readonly Volume[];
  /** For the container's record, which keeps named volumes from being removed afterwards. */
  readonly recorded: readonly string[];
}

/**
 * Finds the folders of a container's volumes; creates named ones that don't exist. `record` is the path of the container's
 * record. Throws OperationError or FolderError.
 */
export function useVolumes(
  wanted: readonly (Volume | NamedVolume)[],
  { container, record }: { readonly container: string; readonly record: string },
  store = new VolumeStore(),
): UsedVolumes {
  using uses = new DisposableStack();
  const folders = wanted.map((each) => {
    if ("host" in each) return each;
    const { name, ...place } = each;
    return { host: uses.use(store.use(name, container, record)).path, ...place };
  });
  const recorded = wanted.map((each) => {
    const from = "host" in each ? each.host : each.name;
    return `${from}:${each.guest}${each.mode === "ro" ? ":ro" : ""}`;
  });
  const kept = uses.move();
  return { folders, recorded, [Symbol.dispose]: () => kept.dispose() };
}
