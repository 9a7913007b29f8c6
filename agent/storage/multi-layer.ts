import { closeSync, openSync } from "node:fs";
import { O_DIRECTORY, O_PATH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { guestRoot } from "../kernel/files/contained-files.ts";
import { removeContained } from "../kernel/files/remove-contained.ts";
import { ROOT } from "../kernel/files/served-files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Layer, type LayerDirectory, MULTI_LAYER } from "./layer.ts";
import { makeFileSystem } from "./make-file-system.ts";
import { mountDisk } from "./mount-disk.ts";
import { MAX_DATA } from "./mount-flags.ts";
import { mountStorage } from "./mount-storage.ts";
import { pathOf } from "./path-of.ts";
import { removePlace } from "./remove-place.ts";
import { openSharedParent } from "./shared-parent.ts";
import type { PlacedStorage, StorageDriver } from "./storage.ts";
import { unmount } from "./unmount.ts";
import { mountVerified, verityDevice } from "./verity-disk.ts";

/**
 * Mounts a container's root from several file systems: read-only layers, uppermost first, below a writable one on a
 * disk or in memory. All are unmounted with the storage.
 */
export const multiLayer = multiLayerIn("/run/kata-containers");

/** `directory` holds the directories of all containers. */
export function multiLayerIn(directory: string): StorageDriver {
  return {
    name: MULTI_LAYER,
    async mount(kernel, storage) {
      if (storage.container === "") {
        throw new AgentError("invalid-argument", `${MULTI_LAYER} storage: only containers can have layers`);
      }
      const places = placesIn(directory, storage.container);
      try {
        await mountLayers(kernel, storage, places);
      } catch (error) {
        await unmountLayers(kernel, storage, places).catch(() => undefined);
        throw error;
      }
    },
    release: (kernel, storage) => unmountLayers(kernel, storage, placesIn(directory, storage.container)),
  };
}

interface Places {
  readonly container: string;
  readonly base: string;
  readonly upper: string;
  readonly lower: (index: number) => string;
  /** Name of a lower layer's dm-verity device. */
  readonly device: (index: number) => string;
}

/**
 * Paths for a container, whose id was checked earlier: letters, digits, `_ . -`. The id is too long for a device name.
 */
function placesIn(directory: string, id: string): Places {
  const container = `${directory}/${id}`;
  const base = `${container}/multi-layer`;
  return {
    container,
    base,
    upper: `${base}/upper`,
    lower: (index) => `${base}/lower-${index}`,
    device: (index) => `${verityDevice(id)}-${index}`,
  };
}

async function mountLayers(kernel: Kernel, storage: PlacedStorage, places: Places): Promise<void> {
  const { upper, lowers } = layersOf(storage);
  kernel.files.makeDirectory(places.upper);
  if (upper !== undefined) {
    if (upper.make !== undefined) await makeFileSystem(upper.source, upper.make);
    await mountDisk(kernel, { ...mountOf(upper), mountPoint: places.upper });
  }
  for (const [index, layer] of lowers.entries()) {
    const disk = { ...mountOf(layer), mountPoint: places.lower(index) };
    if (layer.verity === undefined) await mountDisk(kernel, disk);
    else await mountVerified(kernel, places.device(index), layer.verity, disk);
  }
  const own = ["upper", "work"].map((name): LayerDirectory => ({ names: [name], mode: 0o755, uid: 0, gid: 0 }));
  await makeDirectories(kernel, storage.container, places.upper, [...(upper?.directories ?? []), ...own]);
  const overlay = { ...storage, source: "overlay" };
  const options = overlayOptions(places.base, lowers.length);
  if (Buffer.byteLength(options.join()) <= MAX_DATA) return mountStorage(kernel, { ...overlay, options });
  // A descriptor's path is shorter than the container's directory.
  const base = openSync(places.base, O_PATH | O_DIRECTORY);
  try {
    await mountStorage(kernel, { ...overlay, options: overlayOptions(pathOf(base), lowers.length) });
  } finally {
    closeSync(base);
  }
}

function overlayOptions(base: string, lowers: number): string[] {
  const lowerDirs = Array.from({ length: lowers }, (_, index) => `${base}/lower-${index}`).join(":");
  return [`lowerdir=${lowerDirs}`, `upperdir=${base}/upper/upper`, `workdir=${base}/upper/work`];
}

function mountOf({ role, source, fstype, options }: Layer) {
  const words = role === "lower" ? [...new Set([...options, "ro"])] : options;
  return { driver: MULTI_LAYER, source, fstype, options: words };
}

/** Creates directories on a file system from the host. No link on it can lead outside. */
async function makeDirectories(
  { contained }: Kernel,
  container: string,
  root: string,
  directories: readonly LayerDirectory[],
): Promise<void> {
  await contained.use(guestRoot(container), (files) =>
    files.using(files.open(ROOT, root, O_PATH | O_DIRECTORY), async (top) => {
      for (const { names, ...traits } of directories) (await openSharedParent(files, top, names, traits)).close();
    }),
  );
}

/** Unmounts in reverse order, including layers that were never mounted, then throws the first error. */
async function unmountLayers(kernel: Kernel, storage: PlacedStorage, places: Places): Promise<void> {
  const { lowers } = layersOf(storage);
  const errors: unknown[] = [];
  const attempt = (work: Promise<void>) => work.catch((error: unknown) => void errors.push(error));
  for (const index of [...lowers.keys()].toReversed()) {
    await attempt(unmountLayer(kernel, places.lower(index)));
    if (lowers[index]?.verity !== undefined) await attempt(kernel.sys.unmapDevice(places.device(index)));
  }
  await attempt(unmountLayer(kernel, places.upper));
  if (errors.length > 0) throw errors[0];
  // A writable layer in memory still has the container's files.
  await removeContained(kernel, guestRoot(storage.container), places.upper);
  kernel.files.removeTree(places.base);
  try {
    kernel.files.removeDirectory(places.container);
  } catch {
    // It holds other files of the container.
  }
}

async function unmountLayer(kernel: Kernel, place: string): Promise<void> {
  await unmount(kernel, place);
  await removePlace(kernel, place);
}

function layersOf({ layers = [] }: PlacedStorage): { upper: Layer | undefined; lowers: readonly Layer[] } {
  return { upper: layers.find(({ role }) => role === "upper"), lowers: layers.filter(({ role }) => role === "lower") };
}
