import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFMT, S_IFREG } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";

/** Largest /etc/passwd that is read. */
const MAX_TEXT = 1024 * 1024;
const O_NONBLOCK = 0o4000;
const INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

/** A descriptor (O_PATH) of a rootfs directory, or of a running container's root by `/proc/<pid>/root`. Closed by the caller. */
export function openRoot(path: string): Fd {
  return openPath(path, O_PATH | O_DIRECTORY);
}

/** A path of the guest itself for reading; a fifo there does not hold the caller. Throws SystemError. Closed by the caller. */
export function openForReading(path: string): Fd {
  return openPath(path, O_NONBLOCK);
}

function openPath(path: string, flags: number): Fd {
  try {
    return openSync(path, flags);
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : new SystemError("open", -errno, path);
  }
}

/**
 * Text of a regular file inside a root whose content is hostile: links stay inside, a fifo or device is not opened for
 * reading, size is bounded. Undefined when there is no such file.
 */
export function readTextInside(sys: Sys, root: Fd, path: string): string | undefined {
  let fd: Fd | undefined;
  try {
    fd = sys.openat2(root, path, O_NONBLOCK, INSIDE);
    const stat = fstatSync(fd);
    if ((stat.mode & S_IFMT) !== S_IFREG || stat.size > MAX_TEXT) return undefined;
    return readFileSync(fd, "utf8");
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** A directory inside a root, O_PATH. Throws SystemError. Closed by the caller. */
export function openDirectoryInside(sys: Sys, root: Fd, path: string): Fd {
  return sys.openat2(root, path, O_PATH | O_DIRECTORY, INSIDE);
}
