import type { TreeFiles, TreeStat } from "../../lib/archive/tree-files.ts";
import { RESOLVE_BENEATH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Served } from "../kernel/files/contained-files.ts";
import { FILE_DATA } from "../kernel/files/file-protocol.ts";
import { stepsOf, writeWhole } from "../kernel/files/write-whole.ts";
import type { EnteredMounts } from "./contained-tree.ts";

/** Returns the calls for copying a tree, made by a file server. */
export function servedTree(files: Served, mounts: EnteredMounts): TreeFiles {
  /** Attributes that came with the entry that was opened last: most are asked for next. */
  let fresh: { readonly handle: number; readonly stat: TreeStat } | undefined;
  const used = (handle: number) => {
    if (fresh?.handle === handle) fresh = undefined;
    return handle;
  };
  return {
    async openEntry(dir, name, flags) {
      const { handle, attributes } = await mounts.openEntry(dir, name, flags);
      fresh = { handle, stat: attributes };
      return handle;
    },
    reopen: async (handle, flags) => (await files.open(handle, "", flags, RESOLVE_BENEATH)).handle,
    create: async (dir, name) => (await files.create(dir, name)).handle,
    close: (handle) => files.close(used(handle)),
    async stat(handle) {
      const known = fresh?.handle === handle ? fresh.stat : undefined;
      used(handle);
      return known ?? (await files.stat(handle));
    },
    readLink: (dir, name) => files.readLink(dir, name),
    names: (dir) => files.names(dir),
    async freeBytes(dir) {
      const { blocks, available, blockBytes } = await files.statfs(dir);
      // A tmpfs without a limit reports 0 blocks.
      return blocks > 0 ? available * blockBytes : undefined;
    },
    read: (handle, buffer, position) => readInto(files, handle, buffer, position),
    seek: (handle, offset, what) => files.seek(handle, offset, what),
    listXattrs: (handle) => unless(["ENOTSUP", "EOPNOTSUPP"], [], files.listXattrs(handle)),
    getXattr: (handle, name) =>
      unless(["ENODATA", "ENOTSUP", "EOPNOTSUPP", "ERANGE"], undefined, files.getXattr(handle, name)),
    async write(handle, pieces, position) {
      const bytes = joined(pieces);
      await writeWhole(files, used(handle), bytes, position);
      return bytes.length;
    },
    take: (dir, name) => mounts.takeEntry(dir, name),
    place: (dir, temporary, name, file) => files.place(dir, temporary, name, file),
    truncate: (handle, length) => files.truncate(used(handle), length),
    chown: (handle, uid, gid) => files.chown(used(handle), uid, gid),
    chmod: (handle, mode) => files.chmod(used(handle), mode),
    setXattr: (handle, name, value) => files.setXattr(used(handle), name, value),
    setTimes: (handle, access, change) => files.setTimes(used(handle), access, change),
    mkdir: (dir, name) => files.mkdir(dir, name),
    symlink: (target, dir, name) => files.symlink(target, dir, name),
    link: (fromDir, from, dir, name) => files.link(fromDir, from, dir, name),
    rename: (dir, from, to) => files.rename(dir, from, dir, to),
    unlink: (dir, name) => files.unlink(dir, name),
  };
}

/** Reads a buffer by calls that are made at once; returns the bytes up to the first short one. */
async function readInto(files: Served, handle: number, buffer: Uint8Array, position: number): Promise<number> {
  const starts = stepsOf(buffer.length);
  const parts = await Promise.all(
    starts.map((start) => files.read(handle, Math.min(FILE_DATA, buffer.length - start), position + start)),
  );
  let length = 0;
  for (const part of parts) {
    buffer.set(part, length);
    length += part.length;
    if (part.length < FILE_DATA) break;
  }
  return length;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}

async function unless<T, U>(codes: readonly string[], instead: U, call: Promise<T>): Promise<T | U> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof SystemError && codes.includes(error.code)) return instead;
    throw error;
  }
}
