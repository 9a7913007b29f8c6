import {
  chmodSync,
  chownSync,
  constants,
  lchownSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
} from "node:fs";
import { O_PATH, S_IFDIR, S_IFLNK, S_IFMT } from "../kernel/constants.ts";
import { AgentError, describeErrno } from "../kernel/error.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";
import { clearTemporary, receiveChunk, temporaryName } from "./receive-chunk.ts";
import { openSharedParent, pathOf } from "./shared-parent.ts";
import { namesBelow, openBeneath, openSharedRoot, SHARED_ROOT } from "./shared-path.ts";

/** A directory, a link or one chunk of a file, to be put below the shared root. */
export interface CopiedFile {
  readonly path: string;
  /** S_IFMT selects a directory or a link; any other type means a regular file. The other bits are permissions. */
  readonly mode: number;
  /** Permissions of missing parent directories. */
  readonly dirMode: number;
  /** 4294967295 keeps the current owner. */
  readonly uid: number;
  readonly gid: number;
  /** Size of the whole file in bytes. */
  readonly fileSize: number;
  readonly offset: number;
  /** File content from `offset` on, or the target of a link. */
  readonly data: Uint8Array;
  /** True if an agent that was killed may already have stored this chunk. */
  readonly again?: boolean;
}

type CopySys = Pick<Sys, "openat2" | "close">;

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const PERMISSIONS = 0o7777;
const MAX_TARGET = 4095;

/**
 * Stores the entry, or throws one line and changes nothing. A file appears, complete, with its last chunk. Chunks may
 * come in any order.
 */
export function copyFile(sys: CopySys, file: CopiedFile, root: string = SHARED_ROOT): void {
  try {
    const names = namesBelow(root, file.path);
    check(file);
    put(sys, file, root, names);
  } catch (error) {
    throw named(file.path, error);
  }
}

function check({ mode, fileSize, offset, data }: CopiedFile): void {
  if (!Number.isSafeInteger(fileSize) || fileSize < 0) throw invalidArgument(`file_size ${fileSize} is out of range`);
  if (!Number.isSafeInteger(offset) || offset < 0) throw invalidArgument(`offset ${offset} is out of range`);
  if ((mode & S_IFMT) === S_IFLNK) {
    if (data.length === 0 || data.includes(0)) throw invalidArgument("the link target is empty or contains a NUL byte");
    if (data.length > MAX_TARGET) throw invalidArgument(`the link target is longer than ${MAX_TARGET} bytes`);
  } else if ((mode & S_IFMT) !== S_IFDIR && offset + data.length > fileSize) {
    throw invalidArgument(`${data.length} bytes at offset ${offset} exceed the file_size of ${fileSize}`);
  }
}

function put(sys: CopySys, file: CopiedFile, rootPath: string, names: readonly [string, ...string[]]): void {
  const name = names.at(-1) ?? "";
  const { uid, gid } = file;
  const root = openSharedRoot(rootPath);
  try {
    const parent = openSharedParent(sys, root, names.slice(0, -1), { mode: file.dirMode & 0o777, uid, gid });
    try {
      const type = file.mode & S_IFMT;
      if (type === S_IFDIR) putDirectory(sys, parent.fd, name, file);
      else if (type === S_IFLNK) putLink(parent.fd, name, file);
      else {
        refuseDirectory(parent.fd, name);
        receiveChunk(parent.fd, name, { ...file, mode: file.mode & PERMISSIONS });
      }
    } catch (error) {
      parent.undo();
      throw error;
    } finally {
      parent.close();
    }
  } finally {
    sys.close(root);
  }
}

/** Creates a directory, or sets mode and owner of an existing one. */
function putDirectory(sys: CopySys, parent: Fd, name: string, { mode, uid, gid }: CopiedFile): void {
  const path = `${pathOf(parent)}/${name}`;
  const there = typeOf(path);
  if (there !== undefined && there !== S_IFDIR) {
    throw new AgentError("already-exists", "a file that is not a directory is in its place");
  }
  if (there === undefined) mkdirSync(path);
  try {
    const fd = openBeneath(sys, parent, [name], O_PATH | O_DIRECTORY | O_NOFOLLOW);
    try {
      chownSync(pathOf(fd), uid, gid);
      chmodSync(pathOf(fd), mode & PERMISSIONS);
    } finally {
      sys.close(fd);
    }
  } catch (error) {
    if (there === undefined) rmdirSync(path);
    throw error;
  }
}

/** Replaces an existing link or file atomically. */
function putLink(parent: Fd, name: string, { data, uid, gid }: CopiedFile): void {
  refuseDirectory(parent, name);
  const temporary = `${pathOf(parent)}/${temporaryName(name)}`;
  clearTemporary(temporary);
  symlinkSync(Buffer.from(data), temporary);
  try {
    lchownSync(temporary, uid, gid);
    renameSync(temporary, `${pathOf(parent)}/${name}`);
  } catch (error) {
    clearTemporary(temporary);
    throw error;
  }
}

function refuseDirectory(parent: Fd, name: string): void {
  if (typeOf(`${pathOf(parent)}/${name}`) === S_IFDIR)
    throw new AgentError("already-exists", "a directory is in its place");
}

/** S_IFMT bits of the entry itself; links are not followed. */
function typeOf(path: string): number | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : stat.mode & S_IFMT;
}

/** Turns an error into one line with the file's path: Node's own errors show descriptor paths. */
function named(path: string, error: unknown): unknown {
  const what = `copy file ${quoted(path, 200)}`;
  if (error instanceof AgentError) {
    const message = error.message.startsWith("path ") ? `copy file: ${error.message}` : `${what}: ${error.message}`;
    return new AgentError(error.kind, message, { cause: error });
  }
  const { errno, syscall = "" } = error as NodeJS.ErrnoException;
  if (errno === undefined) return error;
  const { code, text } = describeErrno(-errno);
  return new AgentError("internal", `${what}: ${syscall}: ${code} (${text})`, { cause: error });
}
