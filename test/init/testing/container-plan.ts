import * as abi from "../../../agent/kernel/constants.ts";
import type { PlanOp } from "../../../agent/kernel/init/plan.ts";

/** Returns operations that enter a new mount namespace, with `rootfs` in the root register. */
export function enterRootfs(rootfs: string): PlanOp[] {
  return [
    { op: "unshare", flags: abi.CLONE_NEWNS },
    { op: "propagate", path: "/", flags: abi.MS_REC | abi.MS_SLAVE },
    { op: "open-tree", from: "guest", path: rootfs, recursive: true },
    { op: "root", path: rootfs },
  ];
}

/** Returns operations that mount a new file system on `target`. */
export function mountOf(type: string, target: string, options: readonly (readonly [string, string?])[] = []): PlanOp[] {
  return [
    { op: "fsopen", type },
    ...options.map(
      ([key, value]): PlanOp => (value === undefined ? { op: "fsconfig", key } : { op: "fsconfig", key, value }),
    ),
    { op: "fsmount", attributes: abi.MOUNT_ATTR_NOSUID },
    { op: "attach", target, overProc: false },
  ];
}

export const pivot: PlanOp = { op: "pivot" };
export const mountProc: PlanOp[] = mountOf("proc", "/proc");
