import { constants } from "node:fs";
import { chmod, chown, lchown, lstat, open, opendir, stat } from "node:fs/promises";
import { O_PATH, S_IFDIR, S_IFLNK, S_IFMT } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";

/** The group that should own a volume. */
export interface FsGroup {
  readonly gid: number;
  /** If true, changes the volume only if its root has another group or lacks permissions. */
  readonly onRootMismatch: boolean;
}

/** A group and its permissions on files. Directories get ENTER and SETGID too. */
interface Grant {
  readonly gid: number;
  readonly bits: number;
}

const SETGID = 0o2000;
const READ_WRITE = 0o660;
const READ_ONLY = 0o440;
const ENTER = 0o110;
const KEEP = -1;
const OPEN = O_PATH | constants.O_NOFOLLOW;
/** Maximum nesting of directories; each one is held open until all below it are done. */
const MAX_DEPTH = 512;

/**
 * Gives a mounted volume to the group. Members may read, and write unless `readOnly`; files created later belong to the
 * group too. Changes links themselves without following them. Skips entries that are already right, and read-only
 * volumes.
 */
export async function applyFsGroup(path: string, { gid, onRootMismatch }: FsGroup, readOnly: boolean): Promise<void> {
  const grant = { gid, bits: readOnly ? READ_ONLY : READ_WRITE };
  await using root = await open(path, O_PATH).catch((error: unknown) => {
    throw named(path, error);
  });
  try {
    const own = pathOf(root.fd);
    const { mode } = await stat(own);
    if (!isDirectory(mode)) return await give(own, grant); // a bind-mounted file
    if (onRootMismatch && isGiven(await stat(own), ofDirectory(grant))) return;
    await giveBelow(root.fd, grant);
    await give(own, ofDirectory(grant));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EROFS") throw named(path, error);
  }
}

function named(path: string, error: unknown): unknown {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? error : new SystemError("change the group of", -errno, path);
}

/** Goes through descriptors of the directories, so that no process can replace one with a link. */
async function giveBelow(directory: number, grant: Grant, depth = 0): Promise<void> {
  if (depth === MAX_DEPTH) {
    throw new AgentError("internal", `fs_group: the volume's directories are nested deeper than ${MAX_DEPTH}`);
  }
  // Reads a few names at a time, because containers may have left millions.
  for await (const { name } of await opendir(pathOf(directory))) {
    try {
      await giveEntry(`${pathOf(directory)}/${name}`, grant, depth);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // removed meanwhile
    }
  }
}

async function giveEntry(path: string, grant: Grant, depth: number): Promise<void> {
  const found = await lstat(path);
  if ((found.mode & S_IFMT) === S_IFLNK) {
    if (found.gid !== grant.gid) await lchown(path, KEEP, grant.gid);
    return;
  }
  if (!isDirectory(found.mode) && isGiven(found, grant)) return;
  await using entry = await open(path, OPEN);
  const { mode } = await stat(pathOf(entry.fd));
  if (isDirectory(mode)) await giveBelow(entry.fd, grant, depth + 1);
  await give(pathOf(entry.fd), isDirectory(mode) ? ofDirectory(grant) : grant);
}

/** Takes a path through a descriptor, so it leads to the open file and nowhere else. */
async function give(path: string, { gid, bits }: Grant): Promise<void> {
  const found = await stat(path);
  if (isGiven(found, { gid, bits })) return;
  if (found.gid !== gid) await chown(path, KEEP, gid);
  await chmod(path, (found.mode & 0o7777) | bits);
}

function isGiven(found: { readonly gid: number; readonly mode: number }, { gid, bits }: Grant): boolean {
  return found.gid === gid && (found.mode & bits) === bits;
}

function ofDirectory({ gid, bits }: Grant): Grant {
  return { gid, bits: bits | ENTER | SETGID };
}

function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
