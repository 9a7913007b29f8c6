import { accessSync, constants, existsSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { reason } from "../../../lib/reason.ts";

const CGROUP2_MAGIC = 0x63677270;
const MOUNT = "/sys/fs/cgroup";
const CONTROL = "cgroup.subtree_control";
/** Controllers without which a guest gets no cgroup. */
const CONTROLLERS = ["memory", "pids"];
/** A further one, for where it can be had. */
const WANTED = "cpu";

/** The folder in which cgroups of guests are created, and whether they can limit processors; or why there is none and what to do. */
export type CgroupPlace =
  | { readonly folder: string; readonly limitsProcessors: boolean }
  | { readonly missing: string; readonly remedy: string };

/**
 * Finds the nearest cgroup (v2) at or above this process's own in which it may create others with limits, so that the limits
 * of those above hold too. Enables the controllers only in the machine's own root.
 */
export function cgroupPlace(): CgroupPlace {
  try {
    if (statfsSync(MOUNT).type === CGROUP2_MAGIC) return nearest(MOUNT, readFileSync("/proc/self/cgroup", "utf8"));
  } catch (error) {
    return { missing: `${MOUNT}: ${reason(error)}`, remedy: "mount cgroup v2 there" };
  }
  return {
    missing: "this machine has cgroup v1",
    remedy: "with systemd, boot it with systemd.unified_cgroup_hierarchy=1",
  };
}

/** Like `cgroupPlace`, in the hierarchy mounted at `root`, with the content of /proc/self/cgroup. */
export function nearest(root: string, self: string): CgroupPlace {
  const own = /^0::(\/.*)$/m.exec(self)?.[1] ?? "/";
  for (let path = own; ; path = dirname(path)) {
    const folder = resolve(root, `.${path}`);
    if (isWritable(folder) && distributes(folder))
      return { folder, limitsProcessors: enabledIn(folder).includes(WANTED) };
    if (path === "/") break;
  }
  const remedy = existsSync("/run/systemd/system")
    ? "run guestctl by systemd-run --user --scope"
    : `run it as root, or give this user a cgroup with ${CONTROLLERS.join(" and ")}`;
  return { missing: `no cgroup above ${own} is this user's`, remedy };
}

/** True if processes can be moved from cgroups below the folder to others there. */
function isWritable(folder: string): boolean {
  try {
    for (const path of [folder, join(folder, "cgroup.procs")]) accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Returns the controllers that the cgroup's children have. */
function enabledIn(folder: string): readonly string[] {
  return readFileSync(join(folder, CONTROL), "utf8").trim().split(" ");
}

/** Gives the cgroup's children these controllers; if the kernel refuses one, none. */
function enable(control: string, controllers: readonly string[]): void {
  try {
    writeFileSync(control, controllers.map((controller) => `+${controller}`).join(" "));
  } catch {
    // `distributes` reads which it has.
  }
}

/** True if the cgroup's children have the controllers. Elsewhere than in the root, its processes forbid to enable them. */
function distributes(folder: string): boolean {
  const control = join(folder, CONTROL);
  const isEnabled = () => CONTROLLERS.every((controller) => enabledIn(folder).includes(controller));
  try {
    if (isEnabled() || existsSync(join(folder, "cgroup.type"))) return isEnabled();
    enable(control, [...CONTROLLERS, WANTED]);
    if (!isEnabled()) enable(control, CONTROLLERS);
    return isEnabled();
  } catch {
    return false;
  }
}
