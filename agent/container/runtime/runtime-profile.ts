import { type RuntimeName, requestedRuntime } from "./find-runtime.ts";

/** Differences between the runtimes' command lines. */
export interface RuntimeProfile {
  /** Options before the command. */
  readonly flags: readonly string[];
  /**
   * True if the adopted process is the container's own. False: it represents a process inside a sandbox and exits when
   * that does, but doesn't receive its signals; the runtime delivers them, by the pid in a second pid file.
   */
  readonly direct: boolean;
  /**
   * True if the runtime puts its container into the cgroup and sets the spec's limits. False: the runtime itself runs
   * in the cgroup.
   */
  readonly ownCgroup: boolean;
  /**
   * True if the waiting init process has threads that keep all capabilities (those of Go's runtime) until it is
   * started: a process that can trace them is root in the guest.
   */
  readonly waitsPrivileged: boolean;
  /** True if the runtime replaces the cgroup's device filter, even if the spec has no rules. */
  readonly ownDeviceFilter: boolean;
}

/** True if the annotations name a runtime that sets the cgroup's limits itself. */
export function runtimeSetsLimits(annotations: Readonly<Record<string, string>>): boolean {
  const name = requestedRuntime(annotations);
  return name !== undefined && RUNTIME_PROFILES[name].ownCgroup;
}

/** True if a container created with these annotations waits for its start with more privileges than it will have. */
export function waitsPrivileged(annotations: Readonly<Record<string, string>>): boolean {
  const name = requestedRuntime(annotations);
  return name !== undefined && RUNTIME_PROFILES[name].waitsPrivileged;
}

const KERNEL_RUNTIME = { flags: [], direct: true, ownCgroup: true };

export const RUNTIME_PROFILES: Readonly<Record<RuntimeName, RuntimeProfile>> = {
  crun: { ...KERNEL_RUNTIME, flags: ["--cgroup-manager", "cgroupfs"], waitsPrivileged: false, ownDeviceFilter: false },
  runc: { ...KERNEL_RUNTIME, waitsPrivileged: true, ownDeviceFilter: true },
  runsc: {
    // Uses the guest's network, which is the pod's; the container's writes go to its rootfs, which the host may see.
    flags: ["--platform=systrap", "--network=host", "--ignore-cgroups", "--overlay2=none", "--file-access=shared"],
    direct: false,
    ownCgroup: false,
    waitsPrivileged: false,
    ownDeviceFilter: false,
  },
};
