import { O_DIRECTORY, O_PATH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { ContainedFiles, FileRoot, Served } from "../kernel/files/contained-files.ts";
import { readContained } from "../kernel/files/read-contained.ts";
import type { Handle } from "../kernel/files/served-files.ts";
import type { Fd } from "../kernel/kernel.ts";
import { openPath } from "../kernel/open-path.ts";

/** Largest file that is read, in bytes. */
const MAX_TEXT = 1024 * 1024;
const O_NONBLOCK = 0o4000;

/** Opens (O_PATH) a directory of the guest. The caller closes it. */
export function openRoot(path: string): Fd {
  return openPath(path, O_PATH | O_DIRECTORY);
}

/** Opens a guest path for reading, without blocking on a fifo. Throws SystemError. The caller closes the descriptor. */
export function openForReading(path: string): Fd {
  return openPath(path, O_NONBLOCK);
}

/**
 * Reads a regular file inside a root; its content is untrusted. Resolves with undefined if there is no such file that can be
 * read. Rejects if the root doesn't exist, or its file system doesn't answer.
 */
export function readTextInside(
  contained: ContainedFiles,
  root: FileRoot,
  path: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const read = async (files: Served, dir: Handle) => {
    try {
      return (await readContained(files, path, { limit: MAX_TEXT }, { dir })).toString("utf8");
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  };
  return contained.lookUp(root, read, signal);
}
