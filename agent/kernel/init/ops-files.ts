import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT } from "../constants.ts";
import { ADMIN, capabilities, FILES, operation } from "./operation.ts";

const CREATE_FILES = FILES | capabilities("CHOWN", "FOWNER", "FSETID", "MKNOD");

const TYPES = new Map([
  [S_IFCHR, "c"],
  [S_IFBLK, "b"],
  [S_IFIFO, "p"],
]);

/** Operations on files in root, as in agent/native/init/ops-files.c and ops-copy.c. */
export const FILE_OPS = {
  /** mkdir -p in root; leaves an existing directory unchanged. */
  mkdir: operation({
    code: 17,
    args: { path: "path", mode: "u32" },
    needs: FILES,
    object: ({ path }) => path,
    detail: ({ path, mode }) => `${path} mode ${mode.toString(8)}`,
  }),

  /**
   * mknod in root, with exact mode and owner; leaves an existing file of the same type and number. `mode` is S_IFCHR |
   * S_IFBLK | S_IFIFO with permission bits.
   */
  mknod: operation({
    code: 18,
    args: { path: "path", mode: "u32", major: "u32", minor: "u32", uid: "u32", gid: "u32" },
    needs: CREATE_FILES,
    object: ({ path }) => path,
    detail({ path, mode, major, minor, uid, gid }) {
      const type = TYPES.get(mode & S_IFMT) ?? "?";
      return `${path} ${type} ${major}:${minor} mode ${(mode & 0o7777).toString(8)} owner ${uid}:${gid}`;
    },
  }),

  /** symlink in root; leaves an existing file. */
  symlink: operation({
    code: 19,
    args: { target: "string", path: "path" },
    needs: FILES,
    object: ({ path }) => path,
    detail: ({ target, path }) => `${path} -> ${target}`,
  }),

  /** Covers a path in root: a directory with an empty read-only tmpfs, a file with /dev/null. Skips a missing path. */
  mask: operation({ code: 20, args: { path: "path" }, needs: ADMIN | FILES, object: ({ path }) => path }),

  /** Mounts a read-only clone of a path in root, including the mounts below it, over itself. Skips a missing path. */
  readonly: operation({ code: 21, args: { path: "path" }, needs: ADMIN | FILES, object: ({ path }) => path }),

  /** Copies mode and content of a directory in root, which is created if missing, to the root of `mount`. */
  "copy-up": operation({
    code: 24,
    args: { path: "path", mode: "flag", content: "flag" },
    needs: CREATE_FILES,
    call: ({ content }) => (content ? "copy up" : "copy mode of"),
    object: ({ path }) => path,
  }),
};
