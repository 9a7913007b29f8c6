import { closeSync, openSync } from "node:fs";
import { O_DIRECTORY, O_PATH } from "../kernel/constants.ts";
import { readContained } from "../kernel/contained-files.ts";
import { SystemError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";

/** Largest /etc/passwd that is read. */
const MAX_TEXT = 1024 * 1024;
const O_NONBLOCK = 0o4000;

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
 * Text of a regular file inside a root, by the root's path; its content is hostile (contained-files.ts). Undefined when there
 * is none that can be read; throws for a root that is not there.
 */
export async function readTextInside(
  sys: Sys,
  root: string,
  path: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const fd = openRoot(root);
  try {
    return (await readContained(sys, fd, path, { limit: MAX_TEXT }, signal)).toString("utf8");
  } catch {
    signal?.throwIfAborted();
    return undefined;
  } finally {
    closeSync(fd);
  }
}
