import { guestPath } from "../kernel/guest-path.ts";
import { mountStorage } from "./mount-storage.ts";
import type { StorageDriver } from "./storage.ts";

/** Bind-mounts a directory or file of the guest. */
export const bind: StorageDriver = {
  name: "bind",
  mount(kernel, storage) {
    guestPath("bind storage: source", storage.source);
    return mountStorage(kernel, { ...storage, fstype: "bind" });
  },
};
