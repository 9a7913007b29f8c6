import { closeSync, openSync } from "node:fs";
import { O_DIRECTORY, O_PATH } from "../kernel/constants.ts";
import { readContained } from "../kernel/contained-files.ts";
import { SystemError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";

/** Largest file that is read, in bytes. */
const MAX_TEXT = 1024 * 1024;
const O_NONBLOCK = 0o4000;

/** Opens (O_PATH) a rootfs directory, or a running container's root by `/proc/<pid>/root`. The caller closes it. */
export function openRoot(path: string): Fd {
  return openPath(path, O_PATH | O_DIRECTORY);
}

/** Opens a guest path for reading, without blocking on a fifo. Throws SystemError. The caller closes the descriptor. */
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
 * Reads a regular file inside a root; its content is untrusted (contained-files.ts). Resolves with undefined if there
 * is no such file that can be read; rejects if the root doesn't exist.
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
