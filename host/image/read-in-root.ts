import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS } from "../../agent/kernel/constants.ts";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";

const { O_DIRECTORY, O_NONBLOCK, O_RDONLY } = constants;

/**
 * Reads a regular file of the tree at `root`, whose links are followed as a process with that root would. The tree may be a
 * running guest's: `root` is reached without any link, the kernel keeps the rest inside, and nothing but a regular file is
 * ever opened. Undefined when there is none, and for one of more than `maxBytes`.
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

/** By the read itself: a file may grow. */
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

/** Undefined where there is none, or the way to it is not allowed. */
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
