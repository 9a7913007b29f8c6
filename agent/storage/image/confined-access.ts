import { closeSync, constants, openSync } from "node:fs";
import { dirname } from "node:path";
import type { TreeAccess } from "../../../image/tree-access.ts";
import {
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from "../../kernel/constants.ts";
import { SystemError } from "../../kernel/error.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";
import { pathOf } from "../path-of.ts";

const { O_DIRECTORY } = constants;
const RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
const TYPES = { p: S_IFIFO, c: S_IFCHR, b: S_IFBLK } as const;
/**
 * Extended attributes to keep: file capabilities and users' own. Others (trusted, security, system) affect the guest
 * itself.
 */
const KEPT = /^(security\.capability$|user\.)/;

export type AccessSys = Pick<Sys, "openat2" | "close" | "makeNode" | "setXattr">;

/**
 * Accesses files through descriptors below the root. The kernel refuses any path that leads outside, even temporarily.
 */
export function confinedAccess(sys: AccessSys, root: string): TreeAccess & { close(): void } {
  const top = openSync(root, O_PATH | O_DIRECTORY);
  const within = <T>(path: string, use: (fd: Fd) => T): T => {
    const fd = sys.openat2(top, path.slice(root.length + 1) || ".", O_PATH | O_DIRECTORY, RESOLVE);
    return closedAfter(
      () => use(fd),
      () => sys.close(fd),
    );
  };
  const nameOf = (path: string) => path.slice(dirname(path).length + 1);
  return {
    entry: (path, use) => within(dirname(path), (parent) => use(`${pathOf(parent)}/${nameOf(path)}`)),
    directory: (path, use) => within(path, (fd) => use(pathOf(fd))),
    makeNode: (path, type, major, minor) =>
      within(dirname(path), (parent) => sys.makeNode(parent, nameOf(path), TYPES[type] | 0o600, major, minor)),
    setXattrs(fd, xattrs) {
      for (const [name, value] of xattrs) if (KEPT.test(name)) setXattr(sys, fd, name, value);
    },
    close: () => closeSync(top),
  };
}

/** Tolerates file systems without user attributes: tmpfs before Linux 6.6. */
function setXattr(sys: AccessSys, fd: Fd, name: string, value: Uint8Array): void {
  try {
    sys.setXattr(fd, name, value);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === "ENOTSUP" && name.startsWith("user."))) throw error;
  }
}

/** Runs `work`, then `close`, also if `work` is asynchronous. */
function closedAfter<T>(work: () => T, close: () => void): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    close();
    throw error;
  }
  if (result instanceof Promise) return result.finally(close) as T;
  close();
  return result;
}
