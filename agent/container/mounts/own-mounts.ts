import { CLONE_NEWIPC, CLONE_NEWNET } from "../../kernel/constants.ts";
import { sortNamespaces } from "../namespaces/namespaces.ts";
import type { MountSpec, Spec } from "../spec.ts";
import { isBind, isDevpts } from "./mount-kind.ts";
import { parseMountOptions } from "./mount-options.ts";

/**
 * A mount that the agent creates because the process that runs the plan can't:
 * - devpts: the container's terminal is opened in it before the container exists; and only an instance mounted in the
 *   guest's first mount namespace may use the ptys that `kernel.pty.reserve` withholds from all others
 * - bind: its ids are mapped, or the root of a user namespace may not access the source
 * - sysfs, mqueue: they show a namespace that doesn't belong to the container's user namespace
 */
export type OwnMount = "devpts" | "bind" | "sysfs" | "mqueue";

/** Name of the slot that holds the mount with this index. */
export const mountSlot = (index: number): string => `mount:${index}`;

/** The agent's mounts, by index in `spec.mounts`. */
export function ownMounts(spec: Spec): ReadonlyMap<number, OwnMount> {
  const own = new Map<number, OwnMount>();
  const { user, create } = sortNamespaces(spec.linux.namespaces);
  for (const [index, mount] of spec.mounts.entries()) {
    const kind = user === undefined ? undefined : inUserNamespace(mount, create);
    if (kind !== undefined || isIdmapped(mount)) own.set(index, kind ?? "bind");
  }
  const devpts = spec.mounts.findIndex(isDevpts);
  if (devpts >= 0) own.set(devpts, "devpts");
  return own;
}

export function isIdmapped({ options, uidMappings = [], gidMappings = [] }: MountSpec): boolean {
  return parseMountOptions(options).idmap !== undefined || uidMappings.length > 0 || gidMappings.length > 0;
}

function inUserNamespace(mount: MountSpec, created: number): OwnMount | undefined {
  if (parseMountOptions(mount.options).remount) return undefined;
  if (isBind(mount)) return "bind";
  if (mount.type === "sysfs" && (created & CLONE_NEWNET) === 0) return "sysfs";
  return mount.type === "mqueue" && (created & CLONE_NEWIPC) === 0 ? "mqueue" : undefined;
}
