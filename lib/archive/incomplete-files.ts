import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { ArchiveError, codeOf } from "./archive-error.ts";
import { bytesOf, type Member, nameOf, TEMPORARY } from "./member.ts";
import { isFile, type TreeFiles } from "./tree-files.ts";

const { O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/** Larger files are refused at once if the file system has too little space for them; bytes. */
const SMALL = 16 * 1024;
/** At most this many entries of a directory are read, because a container controls how many there are. */
const MAX_ENTRIES = 1 << 18;

/**
 * Returns the name that a copy gives a member until it is complete. It depends on the member and its version, so that no
 * file is continued with the bytes of another, or of an earlier one.
 */
export function incompleteName(copyId: string, { name, version }: Pick<Member, "name" | "version">): Buffer {
  const hash = createHash("sha256").update(bytesOf(name)).update("\0").update(version).digest("hex");
  return Buffer.from(`${TEMPORARY}${copyId}-${hash.slice(0, 32)}`);
}

/** Removes the incomplete files that a copy has left in a directory, except `kept`. */
export async function removeIncomplete(files: TreeFiles, dir: number, copyId: string, kept: Buffer): Promise<void> {
  let entries = 0;
  for await (const some of files.names(dir)) {
    for (const name of some) {
      if (nameOf(name).startsWith(`${TEMPORARY}${copyId}-`) && !kept.equals(name)) await removeFile(files, dir, name);
    }
    entries += some.length;
    if (entries > MAX_ENTRIES) break;
  }
}

/** Creates the file of an incomplete member in place of whatever has its name. Throws before that if it can't fit. */
export async function beginFile(files: TreeFiles, dir: number, name: Uint8Array, { parts }: Member): Promise<number> {
  const bytes = parts.reduce((sum, { start, end }) => sum + end - start, 0);
  const free = bytes > SMALL ? await files.freeBytes(dir) : undefined;
  if (free !== undefined && bytes > free) {
    const line = `ENOSPC (it has ${bytes} bytes, only ${free} are free; free space and copy again)`;
    throw new ArchiveError("resource-exhausted", line, { cause: Object.assign(new Error(line), { code: "ENOSPC" }) });
  }
  try {
    return await files.create(dir, name);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    await removeFile(files, dir, name);
    return await files.create(dir, name);
  }
}

/** Opens a file that an interrupted archive has left, and drops what is behind the bytes to continue at. */
export async function continueFile(files: TreeFiles, dir: number, name: Uint8Array, from: number): Promise<number> {
  const gone = (cause?: unknown) => {
    const line = `the part that was received before, ${from} bytes, is gone; copy again`;
    return new ArchiveError("failed-precondition", line, { cause });
  };
  let fd: number;
  try {
    fd = await files.openEntry(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    throw codeOf(error) === "ENOENT" ? gone(error) : error;
  }
  try {
    const stat = await files.stat(fd);
    if (!isFile(stat) || stat.nlink !== 1n || stat.size < from) throw gone();
    await files.truncate(fd, from);
    return fd;
  } catch (error) {
    await files.close(fd);
    throw error;
  }
}

/** Removes a file or link, whatever it is; throws for a directory. */
export async function removeFile(files: TreeFiles, dir: number, name: Uint8Array): Promise<void> {
  try {
    await files.unlink(dir, name);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}
