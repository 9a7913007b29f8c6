/**
 * The launch plan: a flat list of operations that init runs in a forked child, in order.
 *
 * A plan is data. Pure functions create it (agent/container), plan-encode.ts encodes it into a sealed memory file, init checks
 * it, and agent/native/init/plan.c runs it. The child has three registers: `root` (a descriptor of the container's root
 * mount), `mount` (the detached mount created last) and `fs` (the file system being configured).
 *
 * A slot is an index into the descriptors sent with the launch. A path "in root" is resolved against `root` with openat2
 * RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS; any other path is a path of the guest.
 */
export type Slot = number;

/** Attributes for mount_setattr(2): MOUNT_ATTR_* bits to set and to clear; a propagation (MS_SHARED …) or 0. */
export interface MountAttributes {
  readonly set: number;
  readonly clear: number;
  readonly propagation: number;
  readonly recursive: boolean;
}

export type PlanOp =
  /** unshare(2) with CLONE_NEW* flags (without NEWPID, which is a flag of the launch). */
  | { readonly op: "unshare"; readonly flags: number }
  /** setns(2) into a slot: a namespace file, or a pidfd with one or more CLONE_NEW* flags. */
  | { readonly op: "setns"; readonly slot: Slot; readonly flags: number }
  | { readonly op: "setsid" }
  /** keyctl(JOIN_SESSION_KEYRING) with a new keyring; succeeds on a kernel without keyrings, which has none to share. */
  | { readonly op: "session-keyring" }
  /** Opens a guest path for writing and writes the text in one write(2). */
  | { readonly op: "write"; readonly path: string; readonly data: string }
  | { readonly op: "sethostname"; readonly name: string }
  | { readonly op: "setdomainname"; readonly name: string }
  /** mount(NULL, path, NULL, flags): changes the propagation of a guest path. */
  | { readonly op: "propagate"; readonly path: string; readonly flags: number }
  /** mount := open_tree(path or slot, CLONE [| RECURSIVE]). The path is relative to `from`. */
  | { readonly op: "open-tree"; readonly from: "guest" | "root"; readonly path: string; readonly recursive: boolean }
  | { readonly op: "open-tree-slot"; readonly slot: Slot; readonly recursive: boolean }
  /** mount := the slot itself, a detached mount created by the agent (fsmount). */
  | { readonly op: "take-mount"; readonly slot: Slot }
  /** fs := fsopen(type). */
  | { readonly op: "fsopen"; readonly type: string }
  /** fsconfig(fs, SET_STRING, key, value), or SET_FLAG without a value. */
  | { readonly op: "fsconfig"; readonly key: string; readonly value?: string }
  /** fsconfig(CREATE), then mount := fsmount(fs, attributes). */
  | { readonly op: "fsmount"; readonly attributes: number }
  /** mount_setattr on `mount`. */
  | ({ readonly op: "setattr" } & MountAttributes)
  /** root := the root of the mount namespace that the child has joined. */
  | { readonly op: "own-root" }
  /** move_mount(mount → guest path), then root := mount. */
  | { readonly op: "root"; readonly path: string }
  /**
   * move_mount(mount → target in root). Creates a missing target and its parents: an empty file if a file is mounted, else a
   * directory with mode 0755. Fails with EPERM if the target is on a proc file system, unless `overProc`.
   */
  | { readonly op: "attach"; readonly target: string; readonly overProc: boolean }
  /** mkdir -p in root; leaves an existing directory unchanged. */
  | { readonly op: "mkdir"; readonly path: string; readonly mode: number }
  /** mknod in root, with exact mode and owner; leaves an existing file of the same type and number. */
  | {
      readonly op: "mknod";
      readonly path: string;
      /** S_IFCHR | S_IFBLK | S_IFIFO with permission bits. */
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
      readonly uid: number;
      readonly gid: number;
    }
  /** symlink in root; leaves an existing file. */
  | { readonly op: "symlink"; readonly target: string; readonly path: string }
  /** Covers a path in root: a directory with an empty read-only tmpfs, a file with /dev/null. Skips a missing path. */
  | { readonly op: "mask"; readonly path: string }
  /** Mounts a read-only clone of a path in root, including the mounts below it, over itself. Skips a missing path. */
  | { readonly op: "readonly"; readonly path: string }
  /** mount_setattr on `root`. */
  | ({ readonly op: "root-attr" } & MountAttributes)
  /** mount(2) with MS_REMOUNT and `flags` at a path in root. `data` is for the file system. */
  | { readonly op: "remount"; readonly path: string; readonly flags: number; readonly data: string }
  /** Copies mode and content of a directory in root, which is created if missing, to the root of `mount`. */
  | { readonly op: "copy-up"; readonly path: string; readonly mode: boolean; readonly content: boolean }
  /**
   * Continues in a new child of init, created with these CLONE_NEW* flags in the namespaces created or joined so far.
   * Allowed once, and nothing before it may block, because init waits for it.
   */
  | { readonly op: "fork"; readonly flags: number }
  /** setns(2) into a guest path; for /proc/self/ns, which only the child can open. */
  | { readonly op: "setns-path"; readonly path: string; readonly flags: number }
  /** pivot_root into `root`, unmounts the old root, chdir to "/". */
  | { readonly op: "pivot" }
  | { readonly op: "chdir"; readonly path: string }
  /** dup2 of three slots onto 0, 1, 2. */
  | { readonly op: "stdio"; readonly stdin: Slot; readonly stdout: Slot; readonly stderr: Slot }
  /** TIOCSCTTY on descriptor 0. */
  | { readonly op: "ctty" }
  /** fchown of 0, 1, 2; skips a file that refuses it, such as /dev/null on a read-only file system. */
  | { readonly op: "chown-stdio"; readonly uid: number; readonly gid: number }
  /** prlimit(2); values are unsigned 64-bit, 2^64-1 is unlimited. */
  | { readonly op: "rlimit"; readonly resource: number; readonly soft: bigint; readonly hard: bigint }
  | { readonly op: "umask"; readonly mask: number }
  /** Drops every capability outside the mask from the bounding set. */
  | { readonly op: "bounding"; readonly mask: bigint }
  /** Drops every capability outside the mask from the effective, permitted and inheritable sets. */
  | { readonly op: "drop"; readonly mask: bigint }
  /** PR_SET_KEEPCAPS. */
  | { readonly op: "keepcaps" }
  /** setgroups, setresgid, setresuid. */
  | { readonly op: "user"; readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  /** capset(2). */
  | { readonly op: "capset"; readonly effective: bigint; readonly permitted: bigint; readonly inheritable: bigint }
  /** Clears the ambient set, then raises the capabilities in the mask. */
  | { readonly op: "ambient"; readonly mask: bigint }
  | { readonly op: "no-new-privs" }
  /** sched_setattr(2) with the kernel's SCHED_* and SCHED_FLAG_*; times in nanoseconds. */
  | {
      readonly op: "scheduler";
      readonly policy: number;
      readonly flags: number;
      readonly nice: number;
      readonly priority: number;
      readonly runtime: number;
      readonly deadline: number;
      readonly period: number;
    }
  /** ioprio_set(2): class << 13 | level. */
  | { readonly op: "io-priority"; readonly value: number }
  /** sched_setaffinity(2) with processor numbers. */
  | { readonly op: "cpu-affinity"; readonly cpus: readonly number[] }
  | { readonly op: "personality"; readonly persona: number }
  /** seccomp(SECCOMP_SET_MODE_FILTER) with SECCOMP_FILTER_FLAG_*; one word per BPF instruction. */
  | { readonly op: "seccomp"; readonly flags: number; readonly program: BigUint64Array }
  /** Chooses the first candidate (a container path) that is an executable regular file; fails with ENOENT or EACCES. */
  | { readonly op: "find"; readonly candidates: readonly string[] }
  /** Reports "ready", then blocks until one byte can be read from the slot. Exits at end of file. */
  | { readonly op: "wait"; readonly slot: Slot }
  /** execve of the file chosen by `find`. */
  | { readonly op: "exec"; readonly args: readonly string[]; readonly env: readonly string[] }
  /** Ends a plan that executes nothing; stands in place of `exec`. */
  | { readonly op: "exit" };

/** Largest encoded plan in bytes, including arguments and environment; init refuses more. */
export const MAX_PLAN_BYTES = 16 * 1024 * 1024;

/** Most words in one BPF program (BPF_MAXINSNS) or structure. */
export const MAX_PLAN_DATA = 4096;

/** Reports of a child. End of file on the report pipe means that execve succeeded, or that the child died. */
export type LaunchReport =
  | { readonly kind: "ready" }
  /** Operation `index` failed with a positive `errno`; `text` is the kernel's message for a failed mount, otherwise "". */
  | { readonly kind: "failed"; readonly index: number; readonly errno: number; readonly text: string };
