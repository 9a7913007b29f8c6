import type { Fd } from "../kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked } from "./sys-result.ts";

const ENOENT = 2;

/** Creates the calls for BPF programs that filter device access in a cgroup. They need root and a kernel with CGROUP_BPF. */
export function deviceFilterCalls(addon: NativeAddon) {
  return {
    loadDeviceFilter: (instructions: Uint8Array): Fd =>
      checked(addon.loadDeviceFilter(instructions), "load device filter", `of ${instructions.length / 8} instructions`),
    attachDeviceFilter(cgroup: Fd, program: Fd) {
      checked(addon.attachDeviceFilter(cgroup, program), "attach device filter to", cgroup);
    },
    replaceDeviceFilter(cgroup: Fd, program: Fd, replaced: Fd) {
      checked(addon.replaceDeviceFilter(cgroup, program, replaced), "replace device filter of", cgroup);
    },
    attachedDeviceFilter(cgroup: Fd): Fd | undefined {
      const result = addon.attachedDeviceFilter(cgroup);
      return result === -ENOENT ? undefined : checked(result, "find the device filter of", cgroup);
    },
  };
}
