import type { Fields, Flat } from "./operation.ts";
import { ATTRIBUTE_OPS } from "./ops-attributes.ts";
import { FILE_OPS } from "./ops-files.ts";
import { MOUNT_OPS } from "./ops-mount.ts";
import { PROCESS_OPS } from "./ops-process.ts";

/**
 * The operations of launch plans, by name. A plan is a flat list of operations that init runs in a forked child, in order.
 *
 * A plan is data. Pure functions create it (agent/container), plan-encode.ts encodes it into a sealed memory file, init checks
 * it, and agent/native/init/plan.c runs it. The child has three registers: `root` (a descriptor of the container's root
 * mount), `mount` (the detached mount created last) and `fs` (the file system being configured).
 *
 * A slot is an index into the descriptors sent with the launch. A path "in root" is resolved against `root` with openat2
 * RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS; any other path is a path of the guest.
 */
export const OPS = { ...PROCESS_OPS, ...ATTRIBUTE_OPS, ...MOUNT_OPS, ...FILE_OPS };

/** An operation of a plan: its name and its arguments. */
export type PlanOp = {
  [N in keyof typeof OPS]: Flat<{ readonly op: N } & Fields<(typeof OPS)[N]["args"]>>;
}[keyof typeof OPS];

/** Largest encoded plan in bytes, including arguments and environment; init refuses more. */
export const MAX_PLAN_BYTES = 16 * 1024 * 1024;

/** Most words in one BPF program (BPF_MAXINSNS) or structure. */
export const MAX_PLAN_DATA = 4096;

/** Reports of a child. End of file on the report pipe means that execve succeeded, or that the child died. */
export type LaunchReport =
  /** `micros`: how long each of the first operations took, at most 65,535 µs. */
  | { readonly kind: "ready"; readonly micros?: readonly number[] }
  /** Operation `index` failed with a positive `errno`; `text` is the kernel's message for a failed mount, otherwise "". */
  | { readonly kind: "failed"; readonly index: number; readonly errno: number; readonly text: string };
