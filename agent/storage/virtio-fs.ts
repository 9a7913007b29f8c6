import { SystemError } from "../kernel/error.ts";
import { mountStorage } from "./mount-storage.ts";
import { mountedOn } from "./mounts.ts";
import type { StorageDriver } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";

const DAX = /^dax(=.*)?$/;
const DAX_ALWAYS = /^dax(=always)?$/;

/** Mounts a directory of the host by its virtio-fs tag. Mounts without DAX if the machine doesn't support it. */
export const virtioFs: StorageDriver = {
  name: "virtio-fs",
  async mount(kernel, storage) {
    const { source, mountPoint, options } = storage;
    if (mountedOn(kernel.files, mountPoint) !== undefined) return; // mounted already, by the host or the system
    const share = { ...storage, fstype: "virtiofs" };
    try {
      await mountStorage(kernel, share);
    } catch (error) {
      const without = options.filter((option) => !DAX.test(option));
      const refused = error instanceof SystemError && error.code === "EINVAL" && without.length < options.length;
      if (!refused) throw error;
      await mountStorage(kernel, { ...share, options: without });
    }
    // The kernel accepts any option for a share that is already mounted elsewhere, and ignores it.
    const has = mountedOn(kernel.files, mountPoint)?.options.some((option) => DAX.test(option)) === true;
    if (has || !options.some((option) => DAX_ALWAYS.test(option))) return;
    storageNotices.publish(
      `virtio-fs storage ${source} on ${mountPoint}: the machine has no DAX window, mounted without DAX`,
    );
  },
};
