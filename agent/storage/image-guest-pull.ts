import { mkdir, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { removeTree } from "../../lib/remove-tree.ts";
import { crypto } from "../kernel/builtin.ts";
import { MNT_DETACH, MS_BIND, MS_REMOUNT } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { METADATA, pullOptions } from "./image/pull-options.ts";
import { makePlace } from "./make-place.ts";
import { parseStorageOptions } from "./mount-flags.ts";
import type { PlacedStorage, StorageDriver } from "./storage.ts";

/** Where images are unpacked. A disk that is mounted there has them, else the guest's memory. */
const IMAGES = "/run/kata-containers/image";

/** The files of an image that the guest gets itself, of the container's own: they may be changed, and go with the storage. */
export const imageGuestPull: StorageDriver = {
  name: METADATA,
  options: [METADATA],
  async mount(kernel, storage, { images, signal }) {
    const { mountPoint, container } = storage;
    if (container === "") throw new AgentError("invalid-argument", `${METADATA} storage: it is for containers only`);
    const options = pullOptions(storage);
    const { flags, data, propagation } = parseStorageOptions(options.mount);
    if (data !== "") {
      throw new AgentError("invalid-argument", `${METADATA} storage: there is no option "${data.slice(0, 200)}"`);
    }
    const place = placeOf(storage);
    const directory = `${place}/rootfs`;
    await removeTree(place);
    await mkdir(directory, { recursive: true, mode: 0o755 });
    try {
      const { pullImage } = await import("./image/pull-image.ts");
      await pullImage(kernel.sys, { ...options, directory }, images, signal);
      // The mount point appears with the whole image, and without the flags that /run has.
      await bind(kernel, directory, mountPoint, flags, propagation);
    } catch (error) {
      await remove(storage).catch(() => undefined);
      throw error;
    }
  },
  release: (_kernel, storage) => remove(storage),
};

async function bind(
  { sys, files }: Kernel,
  directory: string,
  mountPoint: string,
  flags: number,
  propagation: number,
): Promise<void> {
  makePlace(files, METADATA, mountPoint);
  await sys.mount(directory, mountPoint, "", MS_BIND, "");
  try {
    await sys.mount("", mountPoint, "", flags | MS_BIND | MS_REMOUNT, "");
    if (propagation !== 0) await sys.mount("", mountPoint, "", propagation, "");
  } catch (error) {
    await sys.umount(mountPoint, MNT_DETACH).catch(() => undefined);
    throw error;
  }
}

/** Found again from the storage alone, by the next agent as well. */
function placeOf({ mountPoint }: PlacedStorage): string {
  return `${IMAGES}/${crypto().createHash("sha256").update(mountPoint).digest("hex").slice(0, 32)}`;
}

/** The image, half an image of an agent that was killed, and directories on the way that are empty by now. */
async function remove(storage: PlacedStorage): Promise<void> {
  await removeTree(placeOf(storage));
  for (const directory of [storage.mountPoint, dirname(storage.mountPoint), IMAGES]) {
    await rmdir(directory).catch(() => undefined);
  }
}
