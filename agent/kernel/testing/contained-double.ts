import { fstatSync, readSync, statfsSync } from "node:fs";
import { O_DIRECTORY, O_PATH, RESOLVE_NO_MAGICLINKS } from "../constants.ts";
import { SystemError } from "../error.ts";
import type { ContainedFiles, FileRoot, Served } from "../files/contained-files.ts";
import type { FileAttributes, FileSystem } from "../files/file-protocol.ts";
import { INSIDE, ROOT } from "../files/served-files.ts";
import type { Fd, Sys } from "../kernel.ts";
import { openPath } from "../open-path.ts";

/** Answers the calls that tests don't script with calls of this process on its own files; only those that read. */
export function containedDouble(
  sys: Pick<Sys, "openat2" | "close" | "openTerminal">,
  script: Partial<Served> = {},
): ContainedFiles {
  return {
    async use(root, calls, signal) {
      signal?.throwIfAborted();
      const top = openPath(root.path, O_PATH | O_DIRECTORY);
      try {
        const result = await calls({ ...reading(sys, top), ...script } as Served);
        signal?.throwIfAborted();
        return result;
      } finally {
        sys.close(top);
      }
    },
    open(root: FileRoot): never {
      throw new Error(`no server for ${root.path}`);
    },
    abandon: () => undefined,
    end: async () => undefined,
  };
}

function reading(sys: Pick<Sys, "openat2" | "close" | "openTerminal">, top: Fd): Partial<Served> {
  const open = async (dir: number, path: string | Uint8Array, flags: number, resolve = INSIDE) => {
    const from = dir === ROOT ? top : dir;
    const text = String(path);
    // The file of a handle is reached by its link in /proc.
    const fd = named(text, () =>
      text === ""
        ? sys.openat2(from, `/proc/self/fd/${from}`, flags, 0)
        : sys.openat2(from, text, flags, resolve | RESOLVE_NO_MAGICLINKS),
    );
    return { handle: fd, attributes: fstatSync(fd, { bigint: true }) as unknown as FileAttributes };
  };
  return {
    open,
    close: (handle) => sys.close(handle),
    async using(opening, use) {
      const { handle, attributes } = await opening;
      try {
        return await use(handle, attributes);
      } finally {
        sys.close(handle);
      }
    },
    statfs: async (fd) => statfsSync(`/proc/self/fd/${fd}`) as Partial<FileSystem> as FileSystem,
    async read(fd, length, position) {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
    },
    openTerminal: async (directory) => sys.openTerminal(directory),
  };
}

/** Names a failed call as a server's is. */
function named<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw error instanceof SystemError ? new SystemError("open", error.errno, path) : error;
  }
}
