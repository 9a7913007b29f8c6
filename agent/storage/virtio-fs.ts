import { SystemError } from "../kernel/error.ts";
import { mountStorage } from "./mount-storage.ts";
import { mountedOn } from "./mounts.ts";
import type { StorageDriver } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";

const DAX = /^dax(=.*)?$/;
const DAX_ALWAYS = /^dax(=always)?$/;

/** A directory of the host, by its virtio-fs tag. DAX that the machine hasn't is left out: /proc/mounts says what is. */
export const virtioFs: StorageDriver = {
  name: "virtio-fs",
  async mount(kernel, storage) {
    const { source, mountPoint, options } = storage;
    if (mountedOn(kernel.files, mountPoint) !== undefined) return; // a share that the host or the system put there
    const share = { ...storage, fstype: "virtiofs" };
    try {
      await mountStorage(kernel, share);
    } catch (error) {
      const without = options.filter((option) => !DAX.test(option));
      const refused = error instanceof SystemError && error.code === "EINVAL" && without.length < options.length;
      if (!refused) throw error;
      await mountStorage(kernel, { ...share, options: without });
    }
    // The kernel takes any option for a share that is mounted elsewhere already, and it counts for nothing.
    const has = mountedOn(kernel.files, mountPoint)?.options.some((option) => DAX.test(option)) === true;
    if (has || !options.some((option) => DAX_ALWAYS.test(option))) return;
    storageNotices.publish(
      `virtio-fs storage ${source} on ${mountPoint}: the machine has no DAX window, mounted without`,
    );
  },
};
