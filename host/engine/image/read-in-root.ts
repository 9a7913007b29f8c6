import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import {
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../../../agent/kernel/constants.ts";
import { nativeAddon } from "../../../agent/kernel/sys/native-addon.ts";

const { O_DIRECTORY, O_NONBLOCK, O_RDONLY } = constants;

/**
 * Reads a regular file of the tree at `root`, following links as a process with that root would. Safe for a running
 * guest's tree: reaches `root` without following links, the kernel confines the rest to the tree, and only regular
 * files are opened. Returns undefined if the file doesn't exist or has more than `maxBytes`.
 */
export function readInRoot(root: string, file: string, maxBytes: number): string | undefined {
  const host = openSync("/", O_PATH | O_DIRECTORY);
  using _host = closing(host);
  const top = openBelow(host, root, O_DIRECTORY, RESOLVE_NO_SYMLINKS);
  if (top === undefined) return undefined;
  using _top = closing(top);
  const found = openBelow(top, file, 0, RESOLVE_IN_ROOT);
  if (found === undefined) return undefined;
  using _found = closing(found);
  if (!fstatSync(found).isFile()) return undefined;
  const content = openSync(`/proc/self/fd/${found}`, O_RDONLY | O_NONBLOCK);
  using _content = closing(content);
  return readAtMost(content, maxBytes);
}

/** Limits the read itself, since the file may grow. */
function readAtMost(file: number, maxBytes: number): string | undefined {
  const size = Math.min(fstatSync(file).size, maxBytes);
  const bytes = Buffer.alloc(size + 1);
  let length = 0;
  while (length < bytes.length) {
    const got = readSync(file, bytes, length, bytes.length - length, null);
    if (got === 0) return bytes.toString("utf8", 0, length);
    length += got;
  }
  return undefined;
}

/** Returns undefined if the path doesn't exist or isn't allowed. */
function openBelow(directory: number, path: string, flags: number, resolve: number): number | undefined {
  const fd = nativeAddon().openat2(
    directory,
    path.replace(/^\/+/, "") || ".",
    O_PATH | flags,
    resolve | RESOLVE_NO_MAGICLINKS,
  );
  return fd < 0 ? undefined : fd;
}

function closing(fd: number): Disposable {
  return { [Symbol.dispose]: () => closeSync(fd) };
}
