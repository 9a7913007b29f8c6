import { mkdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { removeTree } from "../../lib/remove-tree.ts";
import { AgentError } from "../kernel/error.ts";
import { guestPath } from "../kernel/guest-path.ts";
import { makePlace } from "./make-place.ts";
import { mountStorage } from "./mount-storage.ts";
import type { PlacedStorage, StorageDriver } from "./storage.ts";

const CREATE = "io.katacontainers.volume.overlayfs.create_directory";
const FS_OPTION = "io.katacontainers.fs-opt.";
const WRITABLE = `${FS_OPTION}overlay-rw`;
const LOWER = "lowerdir=";
const CONTAINERS = "/run/kata-containers";

/**
 * Layers on top of each other. An option has a writable one made for the container, in memory: it goes with the storage.
 * Driver options name directories to be made first.
 */
export const overlayfs: StorageDriver = {
  name: "overlayfs",
  options: [CREATE],
  async mount(kernel, storage) {
    const { driverOptions, options } = storage;
    const own = writableLayer(storage);
    const unknown = options.find((option) => option.startsWith(FS_OPTION) && option !== WRITABLE);
    if (unknown !== undefined) {
      throw new AgentError("unimplemented", `overlayfs storage: option "${unknown}" is not supported`);
    }
    for (const option of driverOptions) {
      const path = guestPath(`overlayfs storage: ${CREATE}`, option.slice(CREATE.length + 1));
      makePlace(kernel.files, "overlayfs", path);
    }
    const { upper, work } = own ?? {};
    for (const directory of [upper, work]) if (directory !== undefined) mkdirSync(directory, { recursive: true });
    const layers = own === undefined ? [] : [`upperdir=${upper}`, `workdir=${work}`];
    const words = [...options.filter((option) => option !== WRITABLE), ...layers];
    await lookInto(options);
    try {
      await mountStorage(kernel, { ...storage, source: "overlay", fstype: "overlay", options: words });
    } catch (error) {
      await removeLayer(own);
      throw error;
    }
  },
  async release(_kernel, storage) {
    await removeLayer(writableLayer(storage));
  },
};

/**
 * A share may say that a file system of its own begins at a lower layer. The kernel mounts it there when a path leads through,
 * and overlay takes none (EINVAL) where it has still to be mounted.
 */
async function lookInto(options: readonly string[]): Promise<void> {
  const lowers = options
    .filter((option) => option.startsWith(LOWER))
    .flatMap((option) => option.slice(LOWER.length).split(":"));
  await Promise.allSettled(lowers.map((lower) => stat(`${lower}/.`)));
}

interface Layer {
  readonly upper: string;
  readonly work: string;
}

/** Container ids are checked before: letters, digits, `_ . -`. */
function writableLayer({ options, container }: PlacedStorage): Layer | undefined {
  if (!options.includes(WRITABLE)) return undefined;
  if (container === "")
    throw new AgentError("invalid-argument", `overlayfs storage: ${WRITABLE} is for containers only`);
  const base = `${CONTAINERS}/${container}`;
  return { upper: `${base}/upper`, work: `${base}/work` };
}

/** What a container has put into it may be a million files, or directories deeper than any path. */
async function removeLayer(layer: Layer | undefined): Promise<void> {
  for (const directory of Object.values(layer ?? {})) await removeTree(directory);
}
