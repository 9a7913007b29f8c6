import { chmodSync, chownSync, statSync } from "node:fs";
import { AgentError } from "../kernel/error.ts";
import { parseStorageOptions } from "./mount-flags.ts";
import type { StorageDriver } from "./storage.ts";

/** Memory: a fresh tmpfs. The group of a pod's fsGroup owns its root, and new files inherit it. */
export const ephemeral: StorageDriver = {
  name: "ephemeral",
  async mount({ sys, files }, { source, fstype, mountPoint, options, fsGroup }) {
    if (fstype !== "tmpfs") {
      throw new AgentError(
        "unimplemented",
        `ephemeral storage: file system "${fstype}" is not supported, only tmpfs is`,
      );
    }
    files.makeDirectory(mountPoint);
    const { flags, data } = parseStorageOptions(options);
    await sys.mount(source, mountPoint, fstype, flags, data);
    if (fsGroup !== undefined) {
      const { uid, mode } = statSync(mountPoint);
      chownSync(mountPoint, uid, fsGroup);
      chmodSync(mountPoint, (mode & 0o7777) | 0o2070);
    }
  },
};
