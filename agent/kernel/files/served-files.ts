import { constants } from "node:fs";
import type { PlacedFile, TakenFile } from "../../../lib/archive/tree-files.ts";
import {
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../constants.ts";
import { AgentError, SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import {
  ATTRIBUTES_BYTES,
  decodeAttributes,
  decodeFileSystem,
  decodeNames,
  encodeTypes,
  FILE_DATA,
  FILE_HANDLES,
  type FileAttributes,
  type FileCall,
  type FileRequest,
  type FileSystem,
  PATH_MAX,
  TAKEN_BYTES,
} from "./file-protocol.ts";
import type { FileServer, ServedAnswer } from "./file-server.ts";

const ENAMETOOLONG = 36;
const ENXIO = 6;
const { O_NOFOLLOW } = constants;
/** Attributes that a placed file leaves as they are: chown(2)'s -1, and UTIME_OMIT of utimensat(2). */
const UNCHANGED = { uid: 0xffff_ffff, gid: 0xffff_ffff };
const OMITTED = [0, 0x3fff_fffe, 0, 0x3fff_fffe];

/** An open file of a server. */
export type Handle = number;

/** The root of every server. */
export const ROOT: Handle = 0;

/** Resolution of paths: links stay inside the root, and magic links of /proc fail. */
export const INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
/** The same for a path of the guest, in which no link is followed. */
export const PLAIN = INSIDE | RESOLVE_NO_SYMLINKS;

/** Calls of one server, by what they are for. Each rejects with SystemError, or "unavailable" if the server is lost. */
export class ServedFiles {
  readonly #server: FileServer;
  readonly #free: Handle[] = [];
  #next = 1;

  constructor(server: FileServer) {
    this.#server = server;
  }

  /** Number of open handles. */
  get size(): number {
    return this.#next - 1 - this.#free.length;
  }

  /** Opens a path below a directory; "" opens the file of the handle again. More than O_PATH opens directories and regular files alone. */
  async open(
    dir: Handle,
    path: string | Uint8Array,
    flags: number,
    resolve = INSIDE,
  ): Promise<{ readonly handle: Handle; readonly attributes: FileAttributes }> {
    return this.#opened({ call: "open", handle: dir, name: pathOf(path), numbers: [flags, resolve] }, path);
  }

  /** Resolves with the id of a path's mount, without asking its file system. */
  async mount(dir: Handle, path: string | Uint8Array, flags: number, resolve = INSIDE): Promise<bigint> {
    const name = bytesOf(path);
    return BigInt((await this.#call("mount", dir, { name, numbers: [flags, resolve] })).value);
  }

  /** Resolves with where an open file is, below the root. */
  async path(handle: Handle): Promise<string> {
    return (await this.#call("path", handle)).data.toString();
  }

  /** Runs `use` with a directory that is opened below another. Calls in `use` are sent at once, and fail if it can't be opened. */
  within<T>(dir: Handle, path: string, use: (dir: Handle) => Promise<T>, resolve = INSIDE): Promise<T> {
    const parts = { name: pathOf(path), numbers: [O_PATH | O_DIRECTORY, resolve] };
    return this.#during((other) => this.#call("open", dir, { ...parts, other }), use);
  }

  /** Runs `use` with a directory of the caller's. */
  withDirectory<T>(dir: Fd, use: (dir: Handle) => Promise<T>): Promise<T> {
    return this.#during((other) => this.#call("adopt", ROOT, { other }, [dir]), use);
  }

  /** Opens an entry of a directory (O_PATH) without following it. */
  entry(dir: Handle, name: Uint8Array) {
    return this.open(dir, name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH);
  }

  /** Creates a file for reading and writing, for its owner alone. */
  create(dir: Handle, name: Uint8Array) {
    return this.#opened({ call: "create", handle: dir, name: pathOf(name), numbers: [0o600] }, name);
  }

  /**
   * Creates a file of up to `PLACED_BYTES` under a temporary name, with everything, and then gives it its name, in one request. If
   * it fails nothing is left, unless something had the temporary name before (EEXIST).
   */
  async place(dir: Handle, temporary: Uint8Array, name: Uint8Array, file: PlacedFile): Promise<void> {
    const { content, owner = UNCHANGED, mode, times, replaces = false, linked = false } = file;
    const when = times === undefined ? OMITTED : [...timespec(times.access), ...timespec(times.change)];
    const numbers = [mode, owner.uid, owner.gid, ...when, replaces ? 1 : 0];
    await this.#call("place", dir, { name: temporary, newName: name, data: content, numbers, linked });
  }

  /**
   * Reads an entry of a directory without following it, with its attributes. Fails for everything but a regular file of at most
   * `TAKEN_BYTES` without extended attributes.
   */
  async take(dir: Handle, name: Uint8Array, resolve: number): Promise<TakenFile> {
    const { data } = await this.#call("take", dir, { name, numbers: [O_PATH | O_NOFOLLOW, resolve, TAKEN_BYTES] });
    const stat = decodeAttributes(data);
    const content = data.subarray(ATTRIBUTES_BYTES);
    checkRange("take", content.length, Number(stat.size), Math.min(Number(stat.size), TAKEN_BYTES));
    return { stat, content };
  }

  /** Closes a handle after the calls before it; nothing waits for that. */
  close(handle: Handle): void {
    this.#free.push(handle);
    this.#server.call({ call: "close", handle }).catch(() => undefined);
  }

  /** Runs `use` with an open file, and closes it. */
  async using<T>(
    opening: ReturnType<ServedFiles["open"]>,
    use: (handle: Handle, attributes: FileAttributes) => Promise<T>,
  ): Promise<T> {
    const { handle, attributes } = await opening;
    try {
      return await use(handle, attributes);
    } finally {
      this.close(handle);
    }
  }

  async stat(handle: Handle): Promise<FileAttributes> {
    return decodeAttributes((await this.#call("stat", handle)).data);
  }

  async statfs(handle: Handle): Promise<FileSystem> {
    return decodeFileSystem((await this.#call("statfs", handle)).data);
  }

  /** Yields the names in a directory from the first one on, without "." and "..". */
  async *names(handle: Handle): AsyncGenerator<Buffer[]> {
    for (let restart = 1; ; restart = 0) {
      const { data } = await this.#call("list", handle, { numbers: [restart] });
      if (data.length === 0) return;
      yield decodeNames(data);
    }
  }

  async readLink(dir: Handle, name: Uint8Array): Promise<Buffer> {
    return (await this.#call("readlink", dir, { name })).data;
  }

  /** Reads up to 64 KiB. */
  async read(handle: Handle, length: number, position: number): Promise<Buffer> {
    const most = Math.min(length, FILE_DATA);
    const { data } = await this.#call("read", handle, { numbers: [position, most] });
    checkRange("read", data.length, 0, most);
    return data;
  }

  /**
   * Reads a regular file by its path, if the types of file systems have the one that it is in: the first bytes, up to 64 KiB, or
   * the last ones.
   */
  async load(
    dir: Handle,
    path: string,
    types: readonly number[],
    {
      most,
      tail = false,
      resolve = INSIDE,
    }: { readonly most: number; readonly tail?: boolean; readonly resolve?: number },
  ): Promise<Buffer> {
    const limit = Math.min(most, FILE_DATA);
    const numbers = [0, resolve, limit, tail ? 1 : 0];
    const { data } = await this.#call("load", dir, { name: pathOf(path), data: encodeTypes(types), numbers });
    checkRange("load", data.length, 0, limit);
    return data;
  }

  /** Writes up to 64 KiB, or fails; resolves with the number of bytes written. */
  async write(handle: Handle, bytes: Uint8Array, position: number): Promise<number> {
    const data = bytes.subarray(0, FILE_DATA);
    const { value } = await this.#call("write", handle, { data, numbers: [position] });
    checkRange("write", value, Math.min(1, data.length), data.length);
    return value;
  }

  /** Resolves with the offset of the next data or hole; undefined if there is none. */
  async seek(handle: Handle, offset: number, what: "data" | "hole"): Promise<number | undefined> {
    try {
      const { value } = await this.#call("seek", handle, { numbers: [offset, what === "hole" ? 1 : 0] });
      checkRange("seek", value, offset, Number.MAX_SAFE_INTEGER);
      return value;
    } catch (error) {
      if (error instanceof SystemError && error.errno === ENXIO) return undefined;
      throw error;
    }
  }

  async truncate(handle: Handle, length: number): Promise<void> {
    await this.#call("truncate", handle, { numbers: [length] });
  }

  async chown(handle: Handle, uid: number, gid: number): Promise<void> {
    await this.#call("chown", handle, { numbers: [uid, gid] });
  }

  async chmod(handle: Handle, mode: number): Promise<void> {
    await this.#call("chmod", handle, { numbers: [mode] });
  }

  /** Sets the times of access and change, in nanoseconds since 1970. */
  async setTimes(handle: Handle, access: bigint, change: bigint): Promise<void> {
    await this.#call("utimens", handle, { numbers: [...timespec(access), ...timespec(change)] });
  }

  async listXattrs(handle: Handle): Promise<string[]> {
    const { data } = await this.#call("listxattr", handle);
    return data.toString("latin1").split("\0").filter(Boolean);
  }

  async getXattr(handle: Handle, name: string): Promise<Buffer> {
    return (await this.#call("getxattr", handle, { name: bytesOf(name) })).data;
  }

  async setXattr(handle: Handle, name: string, value: Uint8Array): Promise<void> {
    await this.#call("setxattr", handle, { name: bytesOf(name), data: value });
  }

  async mkdir(dir: Handle, name: Uint8Array, mode = 0o700): Promise<void> {
    await this.#call("mkdir", dir, { name, numbers: [mode] });
  }

  async symlink(target: Uint8Array, dir: Handle, name: Uint8Array): Promise<void> {
    await this.#call("symlink", dir, { name, data: target });
  }

  async link(fromDir: Handle, from: Uint8Array, dir: Handle, name: Uint8Array): Promise<void> {
    await this.#call("link", fromDir, { name: from, other: dir, data: name });
  }

  /** Moves an entry over what has the new name; `replace` false fails with EEXIST then. */
  async rename(fromDir: Handle, from: Uint8Array, dir: Handle, name: Uint8Array, replace = true): Promise<void> {
    await this.#call("rename", fromDir, { name: from, other: dir, data: name, numbers: [replace ? 0 : 1] });
  }

  async unlink(dir: Handle, name: Uint8Array, isDirectory = false): Promise<void> {
    await this.#call("unlink", dir, { name, numbers: [isDirectory ? 1 : 0] });
  }

  /** Removes up to `most` entries of a directory, which is open for listing, and of those below it; resolves with how many. */
  async empty(dir: Handle, most: number): Promise<number> {
    const { value } = await this.#call("empty", dir, { numbers: [most] });
    checkRange("empty", value, 0, most);
    return value;
  }

  /** Gives a unix socket of the caller's a new name in a directory. */
  async bind(socket: Fd, dir: Handle, name: Uint8Array): Promise<void> {
    await this.#call("bind", dir, { name }, [socket]);
  }

  /** Connects a non-blocking unix socket of the caller's to the socket file of a handle. Fails with EAGAIN if its backlog is full. */
  async connect(socket: Fd, handle: Handle): Promise<void> {
    await this.#call("connect", handle, {}, [socket]);
  }

  /** Opens the unlocked master of a new pty in a directory that must be a devpts. The caller closes it. */
  async openTerminal(dir: Handle): Promise<Fd> {
    const { fd } = await this.#call("terminal", dir);
    if (fd === undefined) throw new AgentError("internal", "open terminal: no descriptor came with the answer");
    return fd;
  }

  #call(
    call: FileCall,
    handle: Handle,
    parts: Partial<FileRequest> = {},
    fds: readonly Fd[] = [],
  ): Promise<ServedAnswer> {
    return this.#server.call({ ...parts, call, handle }, objectOf(parts.name), fds);
  }

  /** Runs `use` with the handle that a call opens, without waiting for its answer. */
  async #during<T>(open: (handle: Handle) => Promise<unknown>, use: (handle: Handle) => Promise<T>): Promise<T> {
    const handle = this.#takeHandle();
    try {
      const calls = [open(handle), use(handle)] as const;
      await Promise.allSettled(calls);
      return (await Promise.all(calls))[1];
    } finally {
      this.close(handle);
    }
  }

  #takeHandle(): Handle {
    const handle = this.#free.pop() ?? this.#next++;
    if (handle < FILE_HANDLES) return handle;
    this.#free.push(handle);
    throw new AgentError("resource-exhausted", `files: ${FILE_HANDLES} are already open`);
  }

  async #opened(request: FileRequest, path: string | Uint8Array) {
    const handle = this.#takeHandle();
    try {
      const { data } = await this.#server.call({ ...request, other: handle }, objectOf(path));
      return { handle, attributes: decodeAttributes(data) };
    } catch (error) {
      this.#free.push(handle);
      throw error;
    }
  }
}

/** Returns the bytes of a path. Throws if it is too long for a request. */
function pathOf(path: string | Uint8Array): Uint8Array {
  const bytes = bytesOf(path);
  if (bytes.length < PATH_MAX) return bytes;
  throw new SystemError("open", ENAMETOOLONG, objectOf(path));
}

/** Checks an answer that loops and buffers depend on: who has taken over a server may answer anything. */
function checkRange(call: FileCall, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw new AgentError("internal", `file server: ${call} answered ${value}, not ${least} to ${most}`);
}

const bytesOf = (text: string | Uint8Array): Uint8Array => (typeof text === "string" ? Buffer.from(text) : text);

function objectOf(name: string | Uint8Array | undefined): string {
  return name === undefined ? "" : typeof name === "string" ? name : Buffer.from(name).toString();
}

const NANO = 1_000_000_000n;

/** Returns seconds and nanoseconds, the latter from 0. */
function timespec(nanoseconds: bigint): [bigint, bigint] {
  const rest = ((nanoseconds % NANO) + NANO) % NANO;
  return [(nanoseconds - rest) / NANO, rest];
}
