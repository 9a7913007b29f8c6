import { constants, lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { ApplyReport } from "../../../../image/apply-layers.ts";
import type { EntryMeta } from "../../../../image/entry-meta.ts";
import { ImageError } from "../../../../image/image-error.ts";
import { isRoot } from "../../../../lib/is-root.ts";
import { reason } from "../../../../lib/reason.ts";
import { yieldToEventLoop } from "../../../../lib/yield-to-event-loop.ts";
import type { BlockTree } from "./block-tree.ts";

const NO_XATTRS: EntryMeta["xattrs"] = new Map();

/**
 * Adds everything below a directory of the host to an empty tree, without following links. An ordinary user's own files
 * belong to root in the tree, as in a shared folder. Leaves out sockets and extended attributes. Throws ImageError.
 */
export async function addFolder(tree: BlockTree, folder: string, signal?: AbortSignal): Promise<ApplyReport> {
  const links = new Map<string, readonly string[]>();
  const yieldNow = yieldToEventLoop();
  const pending: (readonly string[])[] = [[]];
  let entries = 0;
  try {
    for (let parts = pending.pop(); parts !== undefined; parts = pending.pop()) {
      signal?.throwIfAborted();
      await yieldNow();
      const path = join(folder, ...parts);
      const stats = lstatSync(path);
      const key = `${stats.dev}:${stats.ino}`;
      const first = links.get(key);
      entries += 1;
      if (first !== undefined) tree.hardLink(parts, first);
      else await add(tree, parts, path, stats);
      if (stats.isDirectory()) for (const name of readdirSync(path)) pending.push([...parts, name]);
      else if (stats.nlink > 1 && !stats.isSocket()) links.set(key, parts);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new ImageError(`copy root file system ${folder}: ${reason(error)}`, { cause: error });
  }
  return { entries, notes: [] };
}

async function add(tree: BlockTree, parts: readonly string[], path: string, stats: Stats): Promise<void> {
  const meta = metaOf(stats);
  if (stats.isDirectory()) tree.directory(parts, meta);
  else if (stats.isSymbolicLink()) tree.symlink(parts, meta, readlinkSync(path));
  else if (stats.isFile()) {
    const file = await open(path, READ);
    await tree.file(parts, meta, file.createReadStream());
  } else if (stats.isFIFO()) tree.node(parts, meta, "p", 0, 0);
  else if (stats.isCharacterDevice() || stats.isBlockDevice()) {
    const { major, minor } = numbersOf(stats.rdev);
    tree.node(parts, meta, stats.isBlockDevice() ? "b" : "c", major, minor);
  }
}

/** Does not follow a link, nor wait for a pipe, that has replaced the file meanwhile. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function metaOf({ mode, uid, gid, mtimeMs }: Stats): EntryMeta {
  const isOwn = !isRoot() && uid === process.getuid?.();
  return {
    mode: mode & 0o7777,
    mtime: Math.max(0, mtimeMs / 1000),
    xattrs: NO_XATTRS,
    ...(isOwn ? { uid: 0, gid: 0 } : { uid, gid }),
  };
}

/** Splits a device number as Linux encodes it for programs. */
function numbersOf(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
