import { attributeWords, propagationWords, remountWords } from "./flag-words.ts";
import { ADMIN, capabilities, FILES, type Fields, NOTHING, operation } from "./operation.ts";

const ADMIN_ON_FILES = ADMIN | FILES;

/**
 * File systems that need no capabilities after the mount. Others, such as overlay, keep using their mounter's
 * credentials.
 */
const PLAIN_TYPES = new Set(["proc", "sysfs", "devpts", "mqueue", "cgroup2", "tmpfs"]);

/** Arguments of mount_setattr(2): MOUNT_ATTR_* bits to set and to clear; a propagation (MS_SHARED …) or 0. */
const ATTRIBUTES = { set: "u32", clear: "u32", propagation: "u32", recursive: "flag" } as const;

/** Operations on mounts, as in agent/native/init/ops-mount.c. */
export const MOUNT_OPS = {
  /** mount(NULL, path, NULL, flags): changes the propagation of a guest path. */
  propagate: operation({
    code: 7,
    args: { path: "path", flags: "u32" },
    needs: ADMIN_ON_FILES,
    call: "mount propagation",
    object: ({ path }) => path,
    detail: ({ path, flags }) => `${path} ${propagationWords(flags)}`,
  }),

  /** mount := open_tree(path or slot, CLONE [| RECURSIVE]). The path is relative to `from`. */
  "open-tree": operation({
    code: 8,
    args: { from: "from", path: "path", recursive: "flag" },
    needs: ADMIN_ON_FILES,
    call: ({ recursive }) => (recursive ? "bind (recursive)" : "bind"),
    object: ({ path }) => path,
  }),

  "open-tree-slot": operation({
    code: 9,
    args: { slot: "slot", recursive: "flag" },
    needs: ADMIN,
    call: "take mount",
    object: ({ slot }) => `slot ${slot}`,
    detail: ({ slot }, slots) => slots[slot],
  }),

  /** mount := the slot itself, a detached mount created by the agent (fsmount). */
  "take-mount": operation({
    code: 10,
    args: { slot: "slot" },
    needs: NOTHING,
    call: "take mount",
    object: ({ slot }) => `slot ${slot}`,
    detail: ({ slot }, slots) => slots[slot],
  }),

  /** fs := fsopen(type). */
  fsopen: operation({
    code: 11,
    args: { type: "string" },
    needs: ({ type }) => (PLAIN_TYPES.has(type) ? ADMIN : "all"),
    call: "mount",
    object: ({ type }) => type,
  }),

  /** fsconfig(fs, SET_STRING, key, value), or SET_FLAG without a value. */
  fsconfig: operation({
    code: 12,
    args: { key: "string", value: "optional" },
    needs: ADMIN,
    call: "mount option",
    object: ({ key, value }) => (value === undefined ? key : `${key}=${value}`),
  }),

  /** fsconfig(CREATE), then mount := fsmount(fs, attributes). */
  fsmount: operation({
    code: 13,
    args: { attributes: "u32" },
    needs: ADMIN,
    call: "mount",
    object: "new file system",
    detail: ({ attributes }) => `new file system ${attributeWords(attributes)}`.trimEnd(),
  }),

  /** mount_setattr on `mount`. */
  setattr: operation({
    code: 14,
    args: ATTRIBUTES,
    needs: ADMIN,
    call: "mount_setattr",
    object: "",
    detail: (op) => attributesText(op),
  }),

  /** mount_setattr on `root`. */
  "root-attr": operation({
    code: 22,
    args: ATTRIBUTES,
    needs: ADMIN,
    call: "mount_setattr",
    object: "/",
    detail: (op) => `/ ${attributesText(op)}`,
  }),

  /** root := the root of the mount namespace that the child has joined. */
  "own-root": operation({ code: 49, args: {}, needs: FILES, object: "" }),

  /** move_mount(mount → guest path), then root := mount. */
  root: operation({
    code: 15,
    args: { path: "path" },
    needs: ADMIN_ON_FILES,
    call: "bind rootfs",
    object: ({ path }) => path,
  }),

  /**
   * move_mount(mount → target in root). Creates a missing target and its parents: an empty file if a file is mounted, else a
   * directory with mode 0755. Fails with EPERM if the target is on a proc file system, unless `overProc`.
   */
  attach: operation({
    code: 16,
    args: { target: "path", overProc: "flag" },
    needs: ADMIN_ON_FILES,
    call: "mount on",
    object: ({ target }) => target,
  }),

  /** mount(2) with MS_REMOUNT and `flags` at a path in root. `data` is for the file system. */
  remount: operation({
    code: 23,
    args: { path: "path", flags: "u32", data: "string" },
    needs: ADMIN_ON_FILES,
    object: ({ path, data }) => (data === "" ? path : `${path} with ${data}`),
    detail: ({ path, flags, data }) => `${path} ${remountWords(flags)} ${data}`.trimEnd(),
  }),

  /** pivot_root into `root`, unmounts the old root, chdir to "/". */
  pivot: operation({ code: 27, args: {}, needs: ADMIN_ON_FILES | capabilities("SYS_CHROOT"), object: "" }),
};

function attributesText({ set, clear, propagation, recursive }: Fields<typeof ATTRIBUTES>): string {
  const parts = [
    attributeWords(set),
    clear === 0 ? "" : `without ${attributeWords(clear & ~set)}`.replace(/without $/, ""),
    propagation === 0 ? "" : propagationWords(propagation),
    recursive ? "recursively" : "",
  ];
  return parts.filter((part) => part !== "").join(" ");
}
