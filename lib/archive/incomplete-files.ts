import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, ftruncateSync, openSync, statfsSync, unlinkSync } from "node:fs";
import { opendir } from "node:fs/promises";
import { ArchiveError, codeOf } from "./archive-error.ts";
import { bytesOf, type Member, TEMPORARY } from "./member.ts";
import { pathIn } from "./tree-sys.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

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
export async function removeIncomplete(dir: number, copyId: string, kept: Buffer): Promise<void> {
  const names: string[] = [];
  let entries = 0;
  for await (const { name } of await opendir(pathIn(dir).toString(), { encoding: "latin1" as "utf8" })) {
    if (name.startsWith(`${TEMPORARY}${copyId}-`) && name !== kept.toString("latin1")) names.push(name);
    if (++entries > MAX_ENTRIES) break;
  }
  for (const name of names) removeFile(pathIn(dir, bytesOf(name)));
}

/** Creates the file of an incomplete member in place of whatever has its name. Throws before that if it can't fit. */
export function beginFile(dir: number, path: Buffer, { parts }: Member): number {
  const bytes = parts.reduce((sum, { start, end }) => sum + end - start, 0);
  const { blocks, bavail, bsize } = bytes > SMALL ? statfsSync(pathIn(dir)) : { blocks: 0, bavail: 0, bsize: 0 };
  // A tmpfs without a limit reports 0 blocks.
  if (blocks > 0 && bytes > bavail * bsize) {
    const line = `ENOSPC (it has ${bytes} bytes, only ${bavail * bsize} are free; free space and copy again)`;
    throw new ArchiveError("resource-exhausted", line);
  }
  const open = () => openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    return open();
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    removeFile(path);
    return open();
  }
}

/** Opens a file that an interrupted archive has left, and drops what is behind the bytes to continue at. */
export function continueFile(path: Buffer, from: number): number {
  const gone = (cause?: unknown) => {
    const line = `the part that was received before, ${from} bytes, is gone; copy again`;
    return new ArchiveError("failed-precondition", line, { cause });
  };
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    throw codeOf(error) === "ENOENT" ? gone(error) : error;
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.nlink === 1 && stat.size >= from) {
    ftruncateSync(fd, from);
    return fd;
  }
  closeSync(fd);
  throw gone();
}

/** Removes a file or link, whatever it is; throws for a directory. */
export function removeFile(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}
