import { O_DIRECTORY, O_NOFOLLOW, O_PATH, S_IFDIR, S_IFLNK, S_IFMT } from "../kernel/constants.ts";
import { AgentError, describeErrno, SystemError } from "../kernel/error.ts";
import { type ContainedFiles, guestRoot, type Served } from "../kernel/files/contained-files.ts";
import { PLACED_BYTES } from "../kernel/files/file-protocol.ts";
import { type Handle, ROOT } from "../kernel/files/served-files.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import { LockByName } from "../kernel/wait/lock.ts";
import { clearTemporary, receiveChunk, temporaryName } from "./receive-chunk.ts";
import { openSharedParent } from "./shared-parent.ts";
import { BENEATH, namesBelow, openBeneath, openSharedRoot, ownerOf, SHARED_ROOT } from "./shared-path.ts";

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

const PERMISSIONS = 0o7777;
const MAX_TARGET = 4095;

/** Calls of one owner's files change the same names. */
const locks = new LockByName();

/**
 * Stores the entry below the root, or rejects with one line and changes nothing. A file appears, complete, with its last chunk.
 * Chunks may come in any order. Containers that see the place and hold it up fail the calls of their own files alone.
 */
export async function copyFile(
  contained: Pick<ContainedFiles, "use">,
  file: CopiedFile,
  root: string = SHARED_ROOT,
): Promise<void> {
  try {
    const names = namesBelow(root, file.path);
    check(file);
    const owner = ownerOf(root, names, (file.mode & S_IFMT) === S_IFDIR);
    const putIn = async (files: Served) => {
      if (await placeAtOnce(files, file, root, names)) return;
      await files.using(openSharedRoot(files, root), (top) => put(files, file, top, names));
    };
    await locks.run(owner, () => contained.use(guestRoot(owner), putIn));
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

/** Writes a small file in one round trip. Resolves with false, and leaves nothing, if that takes more than one. */
async function placeAtOnce(
  files: Served,
  { mode, uid, gid, offset, fileSize, data, again }: CopiedFile,
  root: string,
  names: readonly string[],
): Promise<boolean> {
  const isLarge = offset > 0 || data.length < fileSize || data.length > PLACED_BYTES;
  if (isLarge || again === true || [S_IFDIR, S_IFLNK].includes(mode & S_IFMT)) return false;
  const name = names.at(-1) ?? "";
  const file = { content: data, owner: { uid, gid }, mode: mode & PERMISSIONS };
  const parent = names.slice(0, -1).join("/") || ".";
  const place = (dir: Handle) => files.place(dir, temporaryName(name), Buffer.from(name), file);
  try {
    await files.within(ROOT, root, (top) => files.within(top, parent, place, BENEATH));
    return true;
  } catch (error) {
    if (error instanceof SystemError) return false;
    throw error;
  }
}

async function put(files: Served, file: CopiedFile, root: Handle, names: readonly string[]): Promise<void> {
  const name = names.at(-1) ?? "";
  const { uid, gid } = file;
  const parent = await openSharedParent(files, root, names.slice(0, -1), { mode: file.dirMode & 0o777, uid, gid });
  try {
    const type = file.mode & S_IFMT;
    if (type === S_IFDIR) await putDirectory(files, parent.handle, name, file);
    else {
      if ((await typeOf(files, parent.handle, name)) === S_IFDIR) {
        throw new AgentError("already-exists", "a directory is in its place");
      }
      if (type === S_IFLNK) await putLink(files, parent.handle, name, file);
      else await receiveChunk(files, parent.handle, name, { ...file, mode: file.mode & PERMISSIONS });
    }
  } catch (error) {
    await parent.undo();
    throw error;
  } finally {
    parent.close();
  }
}

/** Creates a directory, or sets mode and owner of an existing one. */
async function putDirectory(
  files: Served,
  parent: Handle,
  name: string,
  { mode, uid, gid }: CopiedFile,
): Promise<void> {
  const there = await typeOf(files, parent, name);
  if (there !== undefined && there !== S_IFDIR) {
    throw new AgentError("already-exists", "a file that is not a directory is in its place");
  }
  if (there === undefined) await files.mkdir(parent, Buffer.from(name));
  try {
    await files.using(openBeneath(files, parent, [name], O_PATH | O_DIRECTORY | O_NOFOLLOW), async (directory) => {
      await files.chown(directory, uid, gid);
      await files.chmod(directory, mode & PERMISSIONS);
    });
  } catch (error) {
    if (there === undefined) await files.unlink(parent, Buffer.from(name), true);
    throw error;
  }
}

/** Replaces an existing link or file atomically. */
async function putLink(files: Served, parent: Handle, name: string, { data, uid, gid }: CopiedFile): Promise<void> {
  const temporary = temporaryName(name);
  await clearTemporary(files, parent, temporary);
  await files.symlink(data, parent, temporary);
  try {
    await files.using(files.entry(parent, temporary), (link) => files.chown(link, uid, gid));
    await files.rename(parent, temporary, parent, Buffer.from(name));
  } catch (error) {
    await clearTemporary(files, parent, temporary);
    throw error;
  }
}

/** S_IFMT bits of the entry itself; links are not followed. */
async function typeOf(files: Served, parent: Handle, name: string): Promise<number | undefined> {
  try {
    const { handle, attributes } = await files.entry(parent, Buffer.from(name));
    files.close(handle);
    return Number(attributes.mode) & S_IFMT;
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Turns an error into one line with the file's path. */
function named(path: string, error: unknown): unknown {
  const what = `copy file ${quoted(path, 200)}`;
  if (error instanceof SystemError) {
    const { call, errno } = error;
    const { code, text } = describeErrno(errno);
    return new AgentError("internal", `${what}: ${call}: ${code} (${text})`, { cause: error });
  }
  if (!(error instanceof AgentError)) return error;
  const message = error.message.startsWith("path ") ? `copy file: ${error.message}` : `${what}: ${error.message}`;
  return new AgentError(error.kind, message, { cause: error });
}
