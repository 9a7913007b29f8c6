import { AgentError, SystemError } from "../kernel/error.ts";
import { parseStorageOptions } from "./mount-flags.ts";
import { mountedOn } from "./mounts.ts";
import type { StorageDriver } from "./storage.ts";

const DAX = /^dax(=.*)?$/;

/** A directory of the host, by its virtio-fs tag. DAX that the machine hasn't is left out: /proc/mounts says what is. */
export const virtioFs: StorageDriver = {
  name: "virtio-fs",
  async mount({ sys, files }, { source, mountPoint, options, fsGroup }) {
    if (fsGroup !== undefined) throw new AgentError("unimplemented", "virtio-fs storage: fs_group is not supported");
    const present = mountedOn(files, mountPoint);
    if (present?.source === source) return;
    files.makeDirectory(mountPoint);
    const { flags, data } = parseStorageOptions(options);
    try {
      await sys.mount(source, mountPoint, "virtiofs", flags, data);
    } catch (error) {
      const without = options.filter((option) => !DAX.test(option));
      const refused = error instanceof SystemError && error.code === "EINVAL" && without.length < options.length;
      if (!refused) throw error;
      await sys.mount(source, mountPoint, "virtiofs", flags, parseStorageOptions(without).data);
    }
  },
};
