import * as abi from "../../kernel/constants.ts";
import type { PlanBuilder } from "../plan/plan-builder.ts";
import type { Spec } from "../spec.ts";

/** Propagation flags by the words of linux.rootfsPropagation; unset means rslave. */
const FLAGS = new Map([
  ["", abi.MS_SLAVE],
  ["slave", abi.MS_SLAVE],
  ["private", abi.MS_PRIVATE],
  ["shared", abi.MS_SHARED],
  ["unbindable", abi.MS_UNBINDABLE],
]);

/** MS_SHARED …, with MS_REC for the words with an `r`; undefined for a word that the OCI spec doesn't have. */
export function propagationFlags(word: string): number | undefined {
  const flags = FLAGS.get(word);
  if (flags !== undefined) return flags;
  const below = word.startsWith("r") && word !== "r" ? FLAGS.get(word.slice(1)) : undefined;
  return below === undefined ? undefined : below | abi.MS_REC;
}

/**
 * Propagation for the clones of guest mounts that the agent creates, because `enterRoot` doesn't affect them; 0 means
 * unchanged.
 */
export function clonePropagation(word: string): number {
  const flags = (propagationFlags(word) ?? 0) & ~abi.MS_REC;
  if (flags === abi.MS_SHARED) return 0;
  return flags === abi.MS_SLAVE ? abi.MS_SLAVE : abi.MS_PRIVATE;
}

/**
 * Sets the propagation between the guest's mounts and the container's, and puts the root file system into the root
 * register. With `shared`, mounts stay shared with the guest, except the one that holds the root file system (`under`):
 * the container's mounts must not appear in the guest.
 */
export function enterRoot(plan: PlanBuilder, { root, linux: { rootfsPropagation } }: Spec, under: string): void {
  const flags = propagationFlags(rootfsPropagation) ?? abi.MS_SLAVE;
  const shared = (flags & abi.MS_SHARED) !== 0;
  const reason = "linux.rootfsPropagation";
  // An unbindable mount can't be bound, so the root becomes unbindable at the end.
  const first = shared ? flags : abi.MS_REC | (flags & abi.MS_SLAVE ? abi.MS_SLAVE : abi.MS_PRIVATE);
  plan.add(reason, { op: "propagate", path: "/", flags: first });
  plan.add("root.path", { op: "open-tree", from: "guest", path: root.path, recursive: true });
  if (shared) {
    plan.add(reason, { op: "setattr", set: 0, clear: 0, propagation: abi.MS_PRIVATE, recursive: true });
    plan.add(reason, { op: "propagate", path: under, flags: abi.MS_PRIVATE });
  }
  plan.add("root.path", { op: "root", path: root.path });
}

/**
 * True if mounts stay shared with the guest, so that `enterRoot` needs to know which mount holds the root file system.
 */
export function staysShared(word: string): boolean {
  return ((propagationFlags(word) ?? 0) & abi.MS_SHARED) !== 0;
}

/** Sets the propagation of "/" after pivot, when it is the container's root. Private and slave are already set. */
export function finishPropagation(plan: PlanBuilder, { linux: { rootfsPropagation } }: Spec): void {
  const flags = propagationFlags(rootfsPropagation) ?? 0;
  if ((flags & (abi.MS_SHARED | abi.MS_UNBINDABLE)) === 0) return;
  plan.add("linux.rootfsPropagation", { op: "propagate", path: "/", flags });
}
