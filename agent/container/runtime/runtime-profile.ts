import { askedRuntime, type RuntimeName } from "./find-runtime.ts";

/** In what the command lines of the runtimes differ. */
export interface RuntimeProfile {
  /** Before the command. */
  readonly flags: readonly string[];
  /**
   * The process that is adopted is the container's own. False: it stands for one inside of a sandbox, exits as that
   * does, and gets no signals for it; then the runtime delivers them, by the pid that a second pid file tells.
   */
  readonly direct: boolean;
  /** It puts its container into the cgroup, with the limits of the spec. False: it runs in there itself. */
  readonly ownCgroup: boolean;
  /**
   * Until it is started, its process has threads that keep all capabilities (those of Go's runtime): whoever may trace them
   * is root in the guest.
   */
  readonly waitsPrivileged: boolean;
  /** It puts a device filter in the place of the one that the cgroup has, whether the spec has rules or not. */
  readonly ownDeviceFilter: boolean;
}

/** Whether the cgroup's limits are left to the runtime that the annotations ask for. */
export function leavesLimits(annotations: Readonly<Record<string, string>>): boolean {
  const name = askedRuntime(annotations);
  return name !== undefined && RUNTIME_PROFILES[name].ownCgroup;
}

/** Whether a container that is made for these annotations waits for its start with more than it will have. */
export function waitsPrivileged(annotations: Readonly<Record<string, string>>): boolean {
  const name = askedRuntime(annotations);
  return name !== undefined && RUNTIME_PROFILES[name].waitsPrivileged;
}

const KERNEL_RUNTIME = { flags: [], direct: true, ownCgroup: true };

export const RUNTIME_PROFILES: Readonly<Record<RuntimeName, RuntimeProfile>> = {
  crun: { ...KERNEL_RUNTIME, flags: ["--cgroup-manager", "cgroupfs"], waitsPrivileged: false, ownDeviceFilter: false },
  runc: { ...KERNEL_RUNTIME, waitsPrivileged: true, ownDeviceFilter: true },
  runsc: {
    // The pod's network is the guest's; what the container writes goes to its rootfs, which the host may see.
    flags: ["--platform=systrap", "--network=host", "--ignore-cgroups", "--overlay2=none", "--file-access=shared"],
    direct: false,
    ownCgroup: false,
    waitsPrivileged: false,
    ownDeviceFilter: false,
  },
};
