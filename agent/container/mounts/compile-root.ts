import * as abi from "../../kernel/constants.ts";
import type { PlanBuilder } from "../plan/plan-builder.ts";
import type { Spec } from "../spec.ts";

/** Propagation by the words of linux.rootfsPropagation; none is as if it were rslave. */
const FLAGS = new Map([
  ["", abi.MS_SLAVE],
  ["slave", abi.MS_SLAVE],
  ["private", abi.MS_PRIVATE],
  ["shared", abi.MS_SHARED],
  ["unbindable", abi.MS_UNBINDABLE],
]);

/** MS_SHARED …, and MS_REC for the forms with an `r`; undefined for no word of the OCI spec. */
export function propagationFlags(word: string): number | undefined {
  const flags = FLAGS.get(word);
  if (flags !== undefined) return flags;
  const below = word.startsWith("r") && word !== "r" ? FLAGS.get(word.slice(1)) : undefined;
  return below === undefined ? undefined : below | abi.MS_REC;
}

/** What clones of the guest's mounts get that the agent makes, for they don't pass through `enterRoot`; 0: nothing. */
export function clonePropagation(word: string): number {
  const flags = (propagationFlags(word) ?? 0) & ~abi.MS_REC;
  if (flags === abi.MS_SHARED) return 0;
  return flags === abi.MS_SLAVE ? abi.MS_SLAVE : abi.MS_PRIVATE;
}

/**
 * Settles what the guest's mounts are to the container's, and puts the root file system into the root register. With
 * `shared` the mounts stay what they are in the guest, but for the one that the root file system lies on (`under`): what is
 * mounted there must not show in the guest.
 */
export function enterRoot(plan: PlanBuilder, { root, linux: { rootfsPropagation } }: Spec, under: string): void {
  const flags = propagationFlags(rootfsPropagation) ?? abi.MS_SLAVE;
  const shared = (flags & abi.MS_SHARED) !== 0;
  const reason = "linux.rootfsPropagation";
  // An unbindable mount can't be the source of a bind: it becomes that at the end.
  const first = shared ? flags : abi.MS_REC | (flags & abi.MS_SLAVE ? abi.MS_SLAVE : abi.MS_PRIVATE);
  plan.add(reason, { op: "propagate", path: "/", flags: first });
  plan.add("root.path", { op: "open-tree", from: "guest", path: root.path, recursive: true });
  if (shared) {
    plan.add(reason, { op: "setattr", set: 0, clear: 0, propagation: abi.MS_PRIVATE, recursive: true });
    plan.add(reason, { op: "propagate", path: under, flags: abi.MS_PRIVATE });
  }
  plan.add("root.path", { op: "root", path: root.path });
}

/** Whether the mounts of the guest stay what they are, so that `enterRoot` has to know what the root file system lies on. */
export function staysShared(word: string): boolean {
  return ((propagationFlags(word) ?? 0) & abi.MS_SHARED) !== 0;
}

/** After pivot, for "/" is the container's then. Private and slave it is already. */
export function finishPropagation(plan: PlanBuilder, { linux: { rootfsPropagation } }: Spec): void {
  const flags = propagationFlags(rootfsPropagation) ?? 0;
  if ((flags & (abi.MS_SHARED | abi.MS_UNBINDABLE)) === 0) return;
  plan.add("linux.rootfsPropagation", { op: "propagate", path: "/", flags });
}
