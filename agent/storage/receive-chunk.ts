import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename } from "node:path";
import { crypto } from "../kernel/builtin.ts";
import { AgentError } from "../kernel/error.ts";
import type { Fd } from "../kernel/kernel.ts";
import { decodeTrailer, encodeTrailer, type Range, TRAILER_BYTES, withRange } from "./received-ranges.ts";
import { pathOf } from "./shared-parent.ts";

/** A piece of a file that comes in several. */
interface Chunk {
  readonly fileSize: number;
  readonly offset: number;
  readonly data: Uint8Array;
  /** Permissions, and the owner, of the file when it is whole. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** It may have come already, to an agent that was killed. */
  readonly again?: boolean;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/** What a file is called until it is whole: its own, and found again by the next agent. */
export function temporaryName(name: string): string {
  return `.guestd-copy-${crypto().createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

/**
 * Removes what others may have put under a temporary name. A directory is refused, as one under the file's own name is:
 * whoever planted it decides how much is in it.
 */
export function clearTemporary(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code !== "EISDIR") throw error;
    throw new AgentError("already-exists", `a directory is in its way: remove ${basename(path)}`);
  }
}

/**
 * Writes a piece of the file `name` in the directory. Once all are there the file gets its name. Which are there stands
 * behind the content until then, so an agent that is killed meanwhile changes nothing. A piece at the beginning for the
 * second time begins the file anew.
 */
export function receiveChunk(dir: Fd, name: string, chunk: Chunk): void {
  const temporary = `${pathOf(dir)}/${temporaryName(name)}`;
  // All pieces had come, and the file has its name.
  if (chunk.again === true && chunk.offset > 0 && !existsSync(temporary)) return;
  const fd = openTemporary(temporary);
  try {
    const ranges = withRange(rangesToGoOn(fd, dir, chunk), [chunk.offset, chunk.offset + chunk.data.length]);
    if (ranges === undefined) throw new AgentError("resource-exhausted", "its pieces come too scattered");
    writeAt(fd, chunk.data, chunk.offset);
    if (isWhole(ranges, chunk.fileSize)) {
      ftruncateSync(fd, chunk.fileSize);
      fchownSync(fd, chunk.uid, chunk.gid);
      fchmodSync(fd, chunk.mode);
      renameSync(temporary, `${pathOf(dir)}/${name}`);
    } else {
      writeAt(fd, encodeTrailer(chunk.fileSize, ranges), chunk.fileSize);
    }
  } catch (error) {
    clearTemporary(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
}

function isWhole(ranges: readonly Range[], fileSize: number): boolean {
  const [start, end] = ranges[0] ?? [0, 0];
  return start === 0 && end === fileSize;
}

/** Opens the file, or makes it anew where something else, or a file with a second name, has its name. */
function openTemporary(path: string): Fd {
  const flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;
  try {
    const fd = openSync(path, flags);
    const stat = fstatSync(fd);
    if (stat.isFile() && stat.nlink === 1) return fd;
    closeSync(fd);
  } catch {
    // Not there, or no file.
  }
  clearTemporary(path);
  return openSync(path, flags | O_CREAT | O_EXCL, 0o600);
}

/** The ranges that are there, or none of a file that begins, for which there must be room. */
function rangesToGoOn(fd: Fd, dir: Fd, { fileSize, offset, again, data }: Chunk): readonly Range[] {
  const found = readTrailer(fd, fileSize);
  if (found !== undefined && (offset > 0 || again === true || found[0]?.[0] !== 0)) return found;
  // All had come: the agent before was killed between the cut to the file's length and its name.
  if (again === true && fileSize > 0 && fstatSync(fd).size === fileSize) return [[0, fileSize]];
  ftruncateSync(fd, 0);
  const { blocks, bavail, bsize } = statfsSync(pathOf(dir));
  // A tmpfs without a limit says that it has no blocks at all.
  if (blocks > 0 && fileSize > bavail * bsize) {
    throw new AgentError("resource-exhausted", `it has ${fileSize} bytes, and ${bavail * bsize} are free`);
  }
  // Before the content, so that a file of that length without a trailer has all pieces.
  if (data.length < fileSize) writeAt(fd, encodeTrailer(fileSize, []), fileSize);
  return [];
}

function readTrailer(fd: Fd, fileSize: number): readonly Range[] | undefined {
  if (fstatSync(fd).size !== fileSize + TRAILER_BYTES) return undefined;
  const trailer = Buffer.alloc(TRAILER_BYTES);
  const count = readSync(fd, trailer, 0, TRAILER_BYTES, fileSize);
  return decodeTrailer(trailer.subarray(0, count), fileSize);
}

function writeAt(fd: Fd, data: Uint8Array, offset: number): void {
  for (let done = 0; done < data.length; ) done += writeSync(fd, data, done, data.length - done, offset + done);
}
