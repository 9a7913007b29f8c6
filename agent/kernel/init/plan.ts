/**
 * The launch plan: a flat list of operations that init runs in a forked child, in order.
 *
 * A plan is data. It is made by pure functions (agent/container), encoded by plan-encode.ts into a sealed memory file,
 * checked by init and run by agent/native/init/plan.c. The child holds three registers: `root` (a descriptor of the
 * container's root mount), `mount` (the detached mount made last) and `fs` (the file system being configured).
 *
 * A slot is an index into the descriptors that travel with the launch. A path "in root" is resolved with openat2
 * RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS against `root`; any other path is the guest's own.
 */
export type Slot = number;

/** Attributes for mount_setattr(2): MOUNT_ATTR_* bits to set and to clear, and a propagation (MS_SHARED …) or 0. */
export interface MountAttributes {
  readonly set: number;
  readonly clear: number;
  readonly propagation: number;
  readonly recursive: boolean;
}

export type PlanOp =
  /** unshare(2) with CLONE_NEW* flags (not NEWPID: that is a flag of the launch). */
  | { readonly op: "unshare"; readonly flags: number }
  /** setns(2) of a slot: a namespace file, or a pidfd with several CLONE_NEW* flags at once. */
  | { readonly op: "setns"; readonly slot: Slot; readonly flags: number }
  | { readonly op: "setsid" }
  /** keyctl(JOIN_SESSION_KEYRING) with a new one; a kernel without keys has none to share. */
  | { readonly op: "session-keyring" }
  /** Open a guest path for writing and write the text in one write(2). */
  | { readonly op: "write"; readonly path: string; readonly data: string }
  | { readonly op: "sethostname"; readonly name: string }
  | { readonly op: "setdomainname"; readonly name: string }
  /** mount(NULL, path, NULL, flags): change of propagation of a guest path. */
  | { readonly op: "propagate"; readonly path: string; readonly flags: number }
  /** mount := open_tree(path or slot, CLONE [| RECURSIVE]). `from` says what the path is relative to. */
  | { readonly op: "open-tree"; readonly from: "guest" | "root"; readonly path: string; readonly recursive: boolean }
  | { readonly op: "open-tree-slot"; readonly slot: Slot; readonly recursive: boolean }
  /** mount := the slot itself, a detached mount made by the agent (fsmount). */
  | { readonly op: "take-mount"; readonly slot: Slot }
  /** fs := fsopen(type). */
  | { readonly op: "fsopen"; readonly type: string }
  /** fsconfig(fs, SET_STRING key value), or SET_FLAG without a value. */
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
   * move_mount(mount → target in root). A missing target and its parents are made: an empty file if the mount is one of a
   * file, else a directory 0755. EPERM where the target lies on a proc file system, unless `overProc`.
   */
  | { readonly op: "attach"; readonly target: string; readonly overProc: boolean }
  /** mkdir -p in root; an existing directory is left as it is. */
  | { readonly op: "mkdir"; readonly path: string; readonly mode: number }
  /** mknod in root, with exact mode and owner; an existing file of the same type and number is left. */
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
  /** symlink in root; an existing file is left. */
  | { readonly op: "symlink"; readonly target: string; readonly path: string }
  /** Cover a path in root: a directory by an empty read-only tmpfs, a file by /dev/null. A missing one is skipped. */
  | { readonly op: "mask"; readonly path: string }
  /** Clone a path in root (with what is mounted below) read-only onto itself. A missing one is skipped. */
  | { readonly op: "readonly"; readonly path: string }
  /** mount_setattr on `root`. */
  | ({ readonly op: "root-attr" } & MountAttributes)
  /** mount(2) with MS_REMOUNT and `flags` of the mount at a path in root. `data` is for the file system. */
  | { readonly op: "remount"; readonly path: string; readonly flags: number; readonly data: string }
  /** The root of `mount` gets the mode of a directory in root, which is made if it is missing, and a copy of its content. */
  | { readonly op: "copy-up"; readonly path: string; readonly mode: boolean; readonly content: boolean }
  /**
   * Go on in a new child of init, born with these CLONE_NEW* flags in the namespaces that were made or joined so far.
   * Once, and with nothing before it that may wait, for init waits for it.
   */
  | { readonly op: "fork"; readonly flags: number }
  /** setns(2) of a path of the guest; for /proc/self/ns, which only the child can open. */
  | { readonly op: "setns-path"; readonly path: string; readonly flags: number }
  /** pivot_root into `root`, drop the old one, chdir to "/". */
  | { readonly op: "pivot" }
  | { readonly op: "chdir"; readonly path: string }
  /** dup2 of three slots onto 0, 1, 2. */
  | { readonly op: "stdio"; readonly stdin: Slot; readonly stdout: Slot; readonly stderr: Slot }
  /** TIOCSCTTY on descriptor 0. */
  | { readonly op: "ctty" }
  /** fchown of 0, 1, 2 (what refuses it, such as /dev/null on a read-only file system, is left). */
  | { readonly op: "chown-stdio"; readonly uid: number; readonly gid: number }
  /** prlimit; values are unsigned 64 bit, 2^64-1 is unlimited. */
  | { readonly op: "rlimit"; readonly resource: number; readonly soft: bigint; readonly hard: bigint }
  | { readonly op: "umask"; readonly mask: number }
  /** Drop from the bounding set all that is not in the mask. */
  | { readonly op: "bounding"; readonly mask: bigint }
  /** Drop from the effective, permitted and inheritable sets all that is not in the mask. */
  | { readonly op: "drop"; readonly mask: bigint }
  /** PR_SET_KEEPCAPS. */
  | { readonly op: "keepcaps" }
  /** setgroups, setresgid, setresuid. */
  | { readonly op: "user"; readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  /** capset(2). */
  | { readonly op: "capset"; readonly effective: bigint; readonly permitted: bigint; readonly inheritable: bigint }
  /** Clear the ambient set, then raise what is in the mask. */
  | { readonly op: "ambient"; readonly mask: bigint }
  | { readonly op: "no-new-privs" }
  /** sched_setattr(2). Numbers of the kernel: SCHED_*, SCHED_FLAG_*; nanoseconds. */
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
  /** sched_setaffinity(2): numbers of processors. */
  | { readonly op: "cpu-affinity"; readonly cpus: readonly number[] }
  | { readonly op: "personality"; readonly persona: number }
  /** seccomp(SECCOMP_SET_MODE_FILTER) with SECCOMP_FILTER_FLAG_*; an instruction of BPF is a word. */
  | { readonly op: "seccomp"; readonly flags: number; readonly program: BigUint64Array }
  /** Choose the first candidate (a path of the container) that is a regular file and may be executed; else ENOENT or EACCES. */
  | { readonly op: "find"; readonly candidates: readonly string[] }
  /** Report "ready", then block until one byte can be read from the slot. End of file: exit. */
  | { readonly op: "wait"; readonly slot: Slot }
  /** execve of what `find` chose. */
  | { readonly op: "exec"; readonly args: readonly string[]; readonly env: readonly string[] }
  /** In place of `exec`: the end of a plan that runs nothing. */
  | { readonly op: "exit" };

/** Largest encoded plan, in bytes (arguments and environment included); init refuses more. */
export const MAX_PLAN_BYTES = 16 * 1024 * 1024;

/** Most words of one BPF program (BPF_MAXINSNS) or structure. */
export const MAX_PLAN_DATA = 4096;

/** What a child says on its report descriptor. End of file after that: execve succeeded (or the child is gone). */
export type LaunchReport =
  | { readonly kind: "ready" }
  /** Operation `index` failed with `errno` (positive); `text` is the kernel's own message for a failed mount, or "". */
  | { readonly kind: "failed"; readonly index: number; readonly errno: number; readonly text: string };
