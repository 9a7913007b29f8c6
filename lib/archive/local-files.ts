import {
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  read,
  readlinkSync,
  readSync,
  renameSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writev,
  writevSync,
} from "node:fs";
import { opendir } from "node:fs/promises";
import { promisify } from "node:util";
import { bytesOf } from "./member.ts";
import type { TreeFiles } from "./tree-files.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
const readFile = promisify(read);
const writePieces = promisify(writev);

/** Larger contents are read and written off the main thread, which a slow disk would block; bytes. */
const SMALL = 16 * 1024;
const NAMES_AT_ONCE = 256;

/** System calls that Node lacks; see agent/kernel/sys/tree-calls.ts. Each throws an error with a code. */
export interface NativeCalls {
  openEntry(dir: number, name: Uint8Array, flags: number): number;
  listXattrs(fd: number): readonly string[];
  getXattr(fd: number, name: string): Uint8Array | undefined;
  setXattr(fd: number, name: string, value: Uint8Array): void;
  setTimes(fd: number, access: bigint, change: bigint): void;
  seek(fd: number, offset: number, what: "data" | "hole"): number | undefined;
}

/** Files of this process's own mount namespace; handles are descriptors. */
export function localFiles<Calls extends NativeCalls>(native: Calls): Calls & TreeFiles {
  return {
    ...native,
    reopen: (fd, flags) => openSync(pathIn(fd), flags),
    create: (dir, name) => openSync(pathIn(dir, name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
    close: closeSync,
    stat: (fd) => fstatSync(fd, { bigint: true }),
    readLink: (dir, name) => readlinkSync(pathIn(dir, name), { encoding: "buffer" }),
    names,
    freeBytes(dir) {
      const { blocks, bavail, bsize } = statfsSync(pathIn(dir));
      // A tmpfs without a limit reports 0 blocks.
      return blocks > 0 ? bavail * bsize : undefined;
    },
    read(fd, buffer, position) {
      if (buffer.length <= SMALL) return readSync(fd, buffer, 0, buffer.length, position);
      return readFile(fd, buffer, 0, buffer.length, position).then(({ bytesRead }) => bytesRead);
    },
    write(fd, pieces, position) {
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
      if (bytes <= SMALL) return writevSync(fd, pieces, position);
      return writePieces(fd, pieces, position).then(({ bytesWritten }) => bytesWritten);
    },
    truncate: ftruncateSync,
    // Not by fchown, which takes no O_PATH; the link of /proc leads to what is open, also if that is a link itself.
    chown: (fd, uid, gid) => chownSync(pathIn(fd), uid, gid),
    chmod: fchmodSync,
    mkdir: (dir, name) => void mkdirSync(pathIn(dir, name), 0o700),
    symlink: (target, dir, name) => symlinkSync(Buffer.from(target), pathIn(dir, name)),
    link: (fromDir, from, dir, name) => linkSync(pathIn(fromDir, from), pathIn(dir, name)),
    rename: (dir, from, to) => renameSync(pathIn(dir, from), pathIn(dir, to)),
    unlink: (dir, name) => unlinkSync(pathIn(dir, name)),
  };
}

/** Returns a path for calls that take no descriptors: of a directory's entry, or of an open file itself. */
function pathIn(fd: number, name?: Uint8Array): Buffer {
  const base = Buffer.from(`/proc/self/fd/${fd}`);
  return name === undefined ? base : Buffer.concat([base, Buffer.from("/"), name]);
}

async function* names(dir: number): AsyncGenerator<Uint8Array[]> {
  const entries = await opendir(pathIn(dir).toString(), {
    encoding: "latin1" as "utf8",
    bufferSize: NAMES_AT_ONCE,
  });
  let some: Uint8Array[] = [];
  for await (const { name } of entries) {
    some.push(bytesOf(name));
    if (some.length < NAMES_AT_ONCE) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
