import { O_DIRECTORY, O_PATH, S_IFDIR, S_IFLNK, S_IFMT } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { ContainedFiles, FileRoot, Served } from "../kernel/files/contained-files.ts";
import type { FileAttributes } from "../kernel/files/file-protocol.ts";
import { type Handle, ROOT } from "../kernel/files/served-files.ts";

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
/** Maximum nesting of directories; each one is held open, by two handles, until all below it are done. */
const MAX_DEPTH = 512;

/**
 * Gives a mounted volume to the group, by a file server of its own. Members may read, and write unless `readOnly`; files created
 * later belong to the group too. Changes links themselves without following them. Skips entries that are already right, and
 * read-only volumes.
 */
export async function applyFsGroup(
  contained: Pick<ContainedFiles, "open">,
  root: FileRoot,
  path: string,
  { gid, onRootMismatch }: FsGroup,
  readOnly: boolean,
): Promise<void> {
  const grant = { gid, bits: readOnly ? READ_ONLY : READ_WRITE };
  using own = contained.open(root);
  const { files } = own;
  try {
    await files.using(files.open(ROOT, path, O_PATH), async (volume, found) => {
      if (!isDirectory(found)) return await give(files, volume, found, grant); // a bind-mounted file
      if (onRootMismatch && isGiven(found, ofDirectory(grant))) return;
      await giveBelow(files, volume, grant);
      await give(files, volume, found, ofDirectory(grant));
    });
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code !== "EROFS") throw new SystemError("change the group of", error.errno, path);
  }
}

/** Goes through handles of the directories, so that no process can replace one with a link. */
async function giveBelow(files: Served, directory: Handle, grant: Grant, depth = 0): Promise<void> {
  if (depth === MAX_DEPTH) {
    throw new AgentError("internal", `fs_group: the volume's directories are nested deeper than ${MAX_DEPTH}`);
  }
  await files.using(files.open(directory, "", O_DIRECTORY), async (listed) => {
    // Reads a few names at a time, because containers may have left millions.
    for await (const names of files.names(listed)) {
      for (const name of names) {
        try {
          await files.using(files.entry(listed, name), (entry, found) => giveEntry(files, entry, found, grant, depth));
        } catch (error) {
          if (!(error instanceof SystemError) || error.code !== "ENOENT") throw error; // removed meanwhile
        }
      }
    }
  });
}

async function giveEntry(
  files: Served,
  entry: Handle,
  found: FileAttributes,
  grant: Grant,
  depth: number,
): Promise<void> {
  if ((Number(found.mode) & S_IFMT) === S_IFLNK) {
    if (Number(found.gid) !== grant.gid) await files.chown(entry, KEEP, grant.gid);
    return;
  }
  if (isDirectory(found)) await giveBelow(files, entry, grant, depth + 1);
  await give(files, entry, found, isDirectory(found) ? ofDirectory(grant) : grant);
}

async function give(files: Served, handle: Handle, found: FileAttributes, { gid, bits }: Grant): Promise<void> {
  if (isGiven(found, { gid, bits })) return;
  if (Number(found.gid) !== gid) await files.chown(handle, KEEP, gid);
  await files.chmod(handle, (Number(found.mode) & 0o7777) | bits);
}

function isGiven(found: FileAttributes, { gid, bits }: Grant): boolean {
  return Number(found.gid) === gid && (Number(found.mode) & bits) === bits;
}

function ofDirectory({ gid, bits }: Grant): Grant {
  return { gid, bits: bits | ENTER | SETGID };
}

function isDirectory({ mode }: FileAttributes): boolean {
  return (Number(mode) & S_IFMT) === S_IFDIR;
}
