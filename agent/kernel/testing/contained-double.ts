import {
  chmodSync,
  chownSync,
  fstatSync,
  ftruncateSync,
  lchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { isRoot } from "../../../lib/is-root.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from "../constants.ts";
import { SystemError } from "../error.ts";
import type { ContainedFiles, FileRoot, Served } from "../files/contained-files.ts";
import { FILE_DATA, type FileAttributes, TAKEN_BYTES } from "../files/file-protocol.ts";
import { INSIDE, ROOT } from "../files/served-files.ts";
import type { Fd, Sys } from "../kernel.ts";
import { openPath } from "../open-path.ts";

type DoubleSys = Pick<Sys, "openat2" | "close" | "openTerminal">;

/** Answers the calls that tests don't script with calls of this process on its own files. */
export function containedDouble(sys: DoubleSys, script: Partial<Served> = {}): ContainedFiles {
  const opened = (root: FileRoot) => {
    const top = openPath(root.path, O_PATH | O_DIRECTORY);
    return { files: { ...callsOf(sys, top), ...script } as Served, [Symbol.dispose]: () => sys.close(top) };
  };
  return {
    async use(root, calls, signal) {
      signal?.throwIfAborted();
      using own = opened(root);
      const result = await calls(own.files);
      signal?.throwIfAborted();
      return result;
    },
    async lookUp(root, calls, signal) {
      signal?.throwIfAborted();
      using own = opened({ ...root, path: join(root.path, root.below ?? "") });
      const result = await calls(own.files, ROOT);
      signal?.throwIfAborted();
      return result;
    },
    prepare: () => undefined,
    open: opened,
    abandon: () => undefined,
    end: async () => undefined,
  };
}

const [O_RDONLY, O_NONBLOCK, EINVAL] = [0, 0o4000, 22];

/** A handle is a descriptor. */
function callsOf(sys: DoubleSys, top: Fd): Partial<Served> {
  const of = (handle: number) => `/proc/self/fd/${handle === ROOT ? top : handle}`;
  const at = (dir: number, name: Uint8Array) => `${of(dir)}/${name}`;
  const opened = (handle: Fd) => {
    return { handle, attributes: fstatSync(handle, { bigint: true }) as unknown as FileAttributes };
  };
  const open: Served["open"] = async (dir, path, flags, resolve = INSIDE) => {
    const from = dir === ROOT ? top : dir;
    const text = String(path);
    // The file of a handle is reached by its link in /proc.
    const fd = named("open", text, () =>
      text === ""
        ? sys.openat2(from, of(from), flags, 0)
        : sys.openat2(from, text, flags, resolve | RESOLVE_NO_MAGICLINKS),
    );
    return opened(fd);
  };
  const create: Served["create"] = async (dir, name) =>
    opened(named("create", name, () => openSync(at(dir, name), "wx+", 0o600)));
  const within: Served["within"] = async (dir, path, use, resolve) => {
    const { handle } = await open(dir, path, O_PATH | O_DIRECTORY, resolve);
    return await use(handle).finally(() => sys.close(handle));
  };
  const isLink = (handle: number) => fstatSync(handle).isSymbolicLink();
  return {
    open,
    entry: (dir, name) => open(dir, name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH),
    create,
    within,
    async place(dir, temporary, name, { content, owner, mode, replaces = false }) {
      if (replaces) rmSync(at(dir, temporary), { force: true });
      const { handle } = await create(dir, temporary);
      try {
        writeSync(handle, content);
        if (owner !== undefined) chownSync(of(handle), owner.uid, owner.gid);
        chmodSync(of(handle), mode);
        named("rename", temporary, () => renameSync(at(dir, temporary), at(dir, name)));
      } catch (error) {
        unlinkSync(at(dir, temporary));
        throw error;
      } finally {
        sys.close(handle);
      }
    },
    async take(dir, name) {
      const fd = named("take", name, () => openSync(at(dir, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
      try {
        const stat = fstatSync(fd, { bigint: true });
        if (!stat.isFile() || stat.size > TAKEN_BYTES) throw new SystemError("take", EINVAL, String(name));
        return { stat, content: readFileSync(fd) };
      } finally {
        sys.close(fd);
      }
    },
    close: (handle) => sys.close(handle),
    async using(opening, use) {
      const { handle, attributes } = await opening;
      try {
        return await use(handle, attributes);
      } finally {
        sys.close(handle);
      }
    },
    async statfs(handle) {
      const { type, bsize, blocks, bfree, bavail, files, ffree } = statfsSync(of(handle));
      return { type, blockBytes: bsize, blocks, free: bfree, available: bavail, files, filesFree: ffree };
    },
    async *names(handle) {
      yield readdirSync(of(handle), { encoding: "buffer" });
    },
    readLink: async (dir, name) => readlinkSync(at(dir, name), { encoding: "buffer" }),
    async read(fd, length, position) {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
    },
    async load(dir, path, _types, { most, tail = false, resolve = INSIDE }) {
      const { handle } = await open(dir, path, O_NONBLOCK, resolve);
      try {
        const file = fstatSync(handle);
        if (!file.isFile()) throw new SystemError("load", EINVAL, path);
        const bytes = Buffer.alloc(Math.min(most, FILE_DATA));
        const start = tail ? Math.max(0, file.size - bytes.length) : 0;
        return bytes.subarray(
          0,
          named("load", path, () => readSync(handle, bytes, 0, bytes.length, start)),
        );
      } finally {
        sys.close(handle);
      }
    },
    write: async (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
    truncate: async (fd, length) => ftruncateSync(fd, length),
    chown: async (fd, uid, gid) => {
      if (!isRoot()) return; // as for the agent, which is root
      if (isLink(fd)) lchownSync(readlinkSync(of(fd)), uid, gid);
      else chownSync(of(fd), uid, gid);
    },
    chmod: async (fd, mode) => named("chmod", "", () => chmodSync(of(fd), mode)),
    mkdir: async (dir, name, mode = 0o700) => void named("mkdir", name, () => mkdirSync(at(dir, name), mode)),
    symlink: async (target, dir, name) => symlinkSync(Buffer.from(target), at(dir, name)),
    rename: async (from, name, to, as) => named("rename", name, () => renameSync(at(from, name), at(to, as))),
    unlink: async (dir, name, isDirectory = false) =>
      named("unlink", name, () => (isDirectory ? rmdirSync(at(dir, name)) : unlinkSync(at(dir, name)))),
    async empty(dir) {
      const entries = readdirSync(of(dir));
      for (const entry of entries) rmSync(`${of(dir)}/${entry}`, { recursive: true });
      return entries.length;
    },
    openTerminal: async (directory) => sys.openTerminal(directory),
  };
}

/** Makes a failed call a server's. */
function named<T>(call: string, object: string | Uint8Array, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof SystemError) throw new SystemError(call, error.errno, String(object));
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : new SystemError(call, -errno, String(object));
  }
}
