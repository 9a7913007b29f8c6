import { MOUNT_ATTR_RDONLY } from "../kernel/constants.ts";
import type { PlanOp } from "../kernel/plan.ts";
import { parseMountOptions } from "./mount-options.ts";
import type { PlanBuilder } from "./plan-builder.ts";
import type { MountSpec } from "./spec.ts";

/** What the compiler has to know of the guest to mount: is a bind source a directory or not (undefined: missing). */
export type SourceKind = (path: string) => "directory" | "file" | undefined;

/** Of the kernel's own: their files have labels by the policy. */
const UNLABELLED = new Set(["proc", "sysfs", "cgroup2", "mqueue"]);

export function compileMounts(
  plan: PlanBuilder,
  mounts: readonly MountSpec[],
  context: {
    readonly sourceKind: SourceKind;
    /** The agent made the devpts instance already: its detached mount travels in the slot "devpts". */
    readonly devptsSlot: boolean;
    /** SELinux context of the files of new file systems; "" is none. */
    readonly label: string;
  },
): void {
  let devpts = context.devptsSlot;
  for (const [index, mount] of mounts.entries()) {
    const reason = `mounts[${index}]`;
    if (devpts && isDevpts(mount)) {
      plan.add(reason, { op: "take-mount", slot: plan.slot("devpts") });
      plan.add(reason, {
        op: "attach",
        target: mount.destination,
        kind: "directory",
      });
      devpts = false;
    } else plan.add(reason, ...mountOps(mount, context.sourceKind, context.label));
  }
}

/** The guest's own /dev, or another one that is made: the container's devices are what it has. */
export function isDevBound(mounts: readonly MountSpec[]): boolean {
  return mounts.some((mount) => clean(mount.destination) === "/dev" && isBind(mount));
}

export function isDevpts(mount: MountSpec): boolean {
  return mount.type === "devpts" && clean(mount.destination) === "/dev/pts";
}

function isBind(mount: MountSpec): boolean {
  return mount.type === "bind" || parseMountOptions(mount.options).bind;
}

function clean(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") : path;
}

function mountOps(mount: MountSpec, sourceKind: SourceKind, label: string): PlanOp[] {
  const options = parseMountOptions(mount.options);
  const ops: PlanOp[] = [];
  let kind: "directory" | "file" = "directory";
  if (isBind(mount)) {
    kind = sourceKind(mount.source) ?? "directory";
    ops.push({
      op: "open-tree",
      from: "guest",
      path: mount.source,
      recursive: options.recursive,
    });
    if ((options.set | options.clear) !== 0) {
      ops.push({
        op: "setattr",
        set: options.set,
        clear: options.clear,
        propagation: 0,
        recursive: false,
      });
    }
  } else {
    const type = mount.type === "cgroup" ? "cgroup2" : mount.type;
    ops.push({ op: "fsopen", type });
    ops.push({
      op: "fsconfig",
      key: "source",
      value: mount.source === "" ? type : mount.source,
    });
    for (const [key, value] of options.data) {
      if (type === "cgroup2" || (type === "devpts" && key === "newinstance")) continue;
      ops.push(value === undefined ? { op: "fsconfig", key } : { op: "fsconfig", key, value });
    }
    if (label !== "" && !UNLABELLED.has(type)) ops.push({ op: "fsconfig", key: "context", value: label });
    ops.push({ op: "fsmount", attributes: options.set });
  }
  if (options.propagation !== 0) {
    const { propagation, propagationRecursive: recursive } = options;
    ops.push({ op: "setattr", set: 0, clear: 0, propagation, recursive });
  }
  ops.push({ op: "attach", target: mount.destination, kind });
  return ops;
}

export function compilePaths(
  plan: PlanBuilder,
  masked: readonly string[],
  readonly: readonly string[],
  root: boolean,
): void {
  for (const path of readonly) plan.add("linux.readonlyPaths", { op: "readonly", path });
  for (const path of masked) plan.add("linux.maskedPaths", { op: "mask", path });
  if (root) {
    const attributes = {
      set: MOUNT_ATTR_RDONLY,
      clear: 0,
      propagation: 0,
      recursive: false,
    };
    plan.add("root.readonly", { op: "root-attr", ...attributes });
  }
}
