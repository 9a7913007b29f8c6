import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { MNT_DETACH, MS_BIND, MS_REMOUNT } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { removeContained } from "../kernel/files/remove-contained.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { METADATA, pullOptions } from "./image/pull-options.ts";
import { makePlace } from "./make-place.ts";
import { parseStorageOptions } from "./mount-flags.ts";
import { removePlace } from "./remove-place.ts";
import { type PlacedStorage, type StorageDriver, storageRoot } from "./storage.ts";

/** Where images are unpacked: on a disk if one is mounted there, otherwise in memory. */
const IMAGES = "/run/kata-containers/image";

/** Pulls an image in the guest. The container gets its own writable copy, which is removed with the storage. */
export const imageGuestPull: StorageDriver = {
  name: METADATA,
  options: [METADATA],
  async mount(kernel, storage, { images, signal }) {
    if (storage.container === "")
      throw new AgentError("invalid-argument", `${METADATA} storage: only containers can have it`);
    const options = pullOptions(storage);
    const { flags, data, propagation } = parseStorageOptions(options.mount);
    if (data !== "") {
      throw new AgentError("invalid-argument", `${METADATA} storage: option "${data.slice(0, 200)}" is not supported`);
    }
    const place = placeOf(storage);
    const directory = `${place}/rootfs`;
    await removeContained(kernel, storageRoot(storage), place);
    await mkdir(directory, { recursive: true, mode: 0o755 });
    try {
      const { pullImage } = await import("./image/pull-image.ts");
      await pullImage(kernel.sys, { ...options, directory }, images, signal);
      // The mount point appears with the complete image, and without the mount flags of /run.
      await bind(kernel, directory, storage, flags, propagation);
    } catch (error) {
      await remove(kernel, storage).catch(() => undefined);
      throw error;
    }
  },
  release: remove,
};

async function bind(
  kernel: Kernel,
  directory: string,
  storage: PlacedStorage,
  flags: number,
  propagation: number,
): Promise<void> {
  const { sys } = kernel;
  const { mountPoint } = storage;
  await makePlace(kernel, storage, mountPoint);
  await sys.mount(directory, mountPoint, "", MS_BIND, "");
  try {
    await sys.mount("", mountPoint, "", flags | MS_BIND | MS_REMOUNT, "");
    if (propagation !== 0) await sys.mount("", mountPoint, "", propagation, "");
  } catch (error) {
    await sys.umount(mountPoint, MNT_DETACH).catch(() => undefined);
    throw error;
  }
}

/** Derived from the storage alone, so the next agent finds it again. */
function placeOf({ mountPoint }: PlacedStorage): string {
  return `${IMAGES}/${createHash("sha256").update(mountPoint).digest("hex").slice(0, 32)}`;
}

/** Removes the image, also an incomplete one from an agent that was killed, and parent directories that are empty. */
async function remove(kernel: Kernel, storage: PlacedStorage): Promise<void> {
  const { mountPoint, seen } = storage;
  await removeContained(kernel, storageRoot(storage), placeOf(storage));
  for (const directory of [mountPoint, dirname(mountPoint)]) await removePlace(kernel, directory, seen);
  await removePlace(kernel, IMAGES);
}
