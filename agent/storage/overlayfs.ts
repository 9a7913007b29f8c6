import { mkdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { O_PATH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Served } from "../kernel/files/contained-files.ts";
import { removeContained } from "../kernel/files/remove-contained.ts";
import { ROOT } from "../kernel/files/served-files.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { makePlace } from "./make-place.ts";
import { mountStorage } from "./mount-storage.ts";
import { type PlacedStorage, type StorageDriver, storageRoot } from "./storage.ts";

const CREATE = "io.katacontainers.volume.overlayfs.create_directory";
const FS_OPTION = "io.katacontainers.fs-opt.";
const WRITABLE = `${FS_OPTION}overlay-rw`;
const LOWER = "lowerdir=";
const CONTAINERS = "/run/kata-containers";

/**
 * Mounts overlay layers. An option adds a writable layer in memory, which is removed with the storage. Driver options
 * name directories to create first.
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
      await makePlace(kernel, storage, path);
    }
    // A layer that another container held when it was to be removed may still be there.
    await removeLayer(kernel, storage);
    for (const directory of own) mkdirSync(directory, { recursive: true });
    const [upper, work] = own;
    const layers = own.length === 0 ? [] : [`upperdir=${upper}`, `workdir=${work}`];
    const words = [...options.filter((option) => option !== WRITABLE), ...layers];
    await lookInto(kernel, storage);
    try {
      await mountStorage(kernel, { ...storage, source: "overlay", fstype: "overlay", options: words });
    } catch (error) {
      await removeLayer(kernel, storage);
      throw error;
    }
  },
  release: removeLayer,
};

/**
 * Looks into the lower layers before they are mounted. A share can hold file systems that the kernel mounts only when a
 * path leads through them, and overlay fails with EINVAL on a path that is still to be mounted.
 */
async function lookInto({ contained }: Kernel, { options, seen }: PlacedStorage): Promise<void> {
  const lowers = options
    .filter((option) => option.startsWith(LOWER))
    .flatMap((option) => option.slice(LOWER.length).split(":"));
  if (seen === undefined) await Promise.allSettled(lowers.map((lower) => stat(`${lower}/.`)));
  else {
    const look = (files: Served, lower: string) =>
      files.using(files.open(ROOT, `${lower}/.`, O_PATH), async () => undefined);
    await contained.use(seen, (files) => Promise.allSettled(lowers.map((lower) => look(files, lower))));
  }
}

/** Returns the upper and the work directory, if any. The container's id was checked earlier: letters, digits, `_ . -`. */
function writableLayer({ options, container }: PlacedStorage): readonly string[] {
  if (!options.includes(WRITABLE)) return [];
  if (container === "")
    throw new AgentError("invalid-argument", `overlayfs storage: ${WRITABLE} is only for containers`);
  return ["upper", "work"].map((name) => `${CONTAINERS}/${container}/${name}`);
}

async function removeLayer(kernel: Kernel, storage: PlacedStorage): Promise<void> {
  for (const directory of writableLayer(storage)) await removeContained(kernel, storageRoot(storage), directory);
}
