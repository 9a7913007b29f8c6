import { MOUNT_ATTR_RDONLY, MS_BIND, MS_RDONLY } from "../../kernel/constants.ts";
import type { PlanOp } from "../../kernel/init/plan.ts";
import type { PlanBuilder, PlanStep } from "../plan/plan-builder.ts";
import type { MountSpec } from "../spec.ts";
import { cleanTarget, isBind, isCoverable } from "./mount-kind.ts";
import { type MountOptions, parseMountOptions } from "./mount-options.ts";
import { mountSlot, type OwnMount } from "./own-mounts.ts";
import { remountFlags } from "./remount-flags.ts";

/** File systems that the kernel provides: `ro` applies to the mount alone, since other mounts share the file system. */
const KERNEL_TYPES = new Set(["proc", "sysfs", "devpts", "mqueue", "cgroup2", "tmpfs"]);

/** Kernel file systems whose file labels come from the policy. */
const UNLABELLED = new Set(["proc", "sysfs", "cgroup2", "mqueue"]);

export interface MountContext {
  /** Mounts that the agent creates, by index: each comes detached in its own slot. */
  readonly own: ReadonlyMap<number, OwnMount>;
  /** Path of the root register's mount, as the guest sees it. */
  readonly root: string;
  /** Propagation for the agent's clones of guest mounts whose options set none; 0 means unchanged. */
  readonly propagation: number;
  /** SELinux context for files of new file systems; "" means none. */
  readonly label: string;
}

/**
 * Adds the mounts in the spec's order. Returns the steps that must come after the last mount and device is created:
 * making /dev and tmpfs read-only.
 */
export function compileMounts(plan: PlanBuilder, mounts: readonly MountSpec[], context: MountContext): PlanStep[] {
  const late = new Map<string, PlanStep>();
  for (const [index, mount] of mounts.entries()) {
    const reason = `mounts[${index}]`;
    const target = cleanTarget(mount.destination);
    const options = parseMountOptions(mount.options);
    if (options.remount) {
      plan.add(reason, { op: "remount", path: target, ...remountFlags(mount.options) });
      continue;
    }
    // This mount hides those below it, so they become read-only now.
    for (const [path, step] of late) {
      if (path !== target && !path.startsWith(`${target}/`)) continue;
      plan.add(step.reason, step.op);
      late.delete(path);
    }
    const lateReadonly = isLateReadonly(mount, target, options);
    const set = lateReadonly ? options.set & ~MOUNT_ATTR_RDONLY : options.set;
    const own = context.own.get(index);
    if (own !== undefined) plan.add(reason, { op: "take-mount", slot: plan.slot(mountSlot(index)) });
    else if (isBind(mount)) plan.add(reason, bindOp(mount, options));
    else plan.add(reason, ...fileSystemOps(mount, { ...options, set }, context.label));
    if (mount.type === "tmpfs" && own === undefined && !isBind(mount)) plan.add(reason, ...copyUpOps(target, options));
    const isClone = own === undefined ? isBind(mount) : own === "bind" || own === "sysfs";
    plan.add(reason, ...attributeOps(options, isClone ? { set, clear: options.clear } : { set: 0, clear: 0 }));
    const propagation = own !== undefined && isClone && options.propagation === 0 ? context.propagation : 0;
    if (propagation !== 0) plan.add(reason, { op: "setattr", set: 0, clear: 0, propagation, recursive: true });
    if (target === "/") plan.add(reason, { op: "root", path: context.root });
    else plan.add(reason, { op: "attach", target: mount.destination, overProc: isCoverable(target) });
    if (lateReadonly) late.set(target, { op: readonlyOp(mount, target), reason });
  }
  return [...late.values()];
}

/**
 * Gives a tmpfs the mode of the directory it covers, unless its options set one, and its content if they request it.
 */
function copyUpOps(path: string, { data, copyUp }: MountOptions): PlanOp[] {
  const mode = !data.some(([key]) => key === "mode");
  return mode || copyUp ? [{ op: "copy-up", path, mode, content: copyUp }] : [];
}

/** True if later mounts and devices may have to be created inside, so read-only must wait. */
function isLateReadonly(mount: MountSpec, target: string, { set }: MountOptions): boolean {
  return (set & MOUNT_ATTR_RDONLY) !== 0 && !isBind(mount) && (mount.type === "tmpfs" || target === "/dev");
}

function readonlyOp(mount: MountSpec, path: string): PlanOp {
  return { op: "remount", path, flags: MS_BIND | MS_RDONLY | remountFlags(mount.options).flags, data: "" };
}

function bindOp(mount: MountSpec, { recursive }: MountOptions): PlanOp {
  return { op: "open-tree", from: "guest", path: mount.source, recursive };
}

function fileSystemOps(mount: MountSpec, { set, data }: MountOptions, label: string): PlanOp[] {
  const type = mount.type === "cgroup" ? "cgroup2" : mount.type;
  const ops: PlanOp[] = [
    { op: "fsopen", type },
    { op: "fsconfig", key: "source", value: mount.source === "" ? type : mount.source },
  ];
  if ((set & MOUNT_ATTR_RDONLY) !== 0 && !KERNEL_TYPES.has(type)) ops.push({ op: "fsconfig", key: "ro" });
  for (const [key, value] of data) {
    if (type === "cgroup2" || (type === "devpts" && key === "newinstance")) continue;
    ops.push(value === undefined ? { op: "fsconfig", key } : { op: "fsconfig", key, value });
  }
  if (label !== "" && !UNLABELLED.has(type)) ops.push({ op: "fsconfig", key: "context", value: label });
  return [...ops, { op: "fsmount", attributes: set }];
}

/** Sets the mount's own attributes, then those for all mounts below it, then the propagation. */
function attributeOps(options: MountOptions, own: { readonly set: number; readonly clear: number }): PlanOp[] {
  const { below, propagation, propagationRecursive } = options;
  const ops: PlanOp[] = [];
  if ((own.set | own.clear) !== 0) ops.push({ op: "setattr", ...own, propagation: 0, recursive: false });
  if ((below.set | below.clear) !== 0) ops.push({ op: "setattr", ...below, propagation: 0, recursive: true });
  if (propagation !== 0) ops.push({ op: "setattr", set: 0, clear: 0, propagation, recursive: propagationRecursive });
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
