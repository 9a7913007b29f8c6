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

/** A chunk of a file. */
interface Chunk {
  readonly fileSize: number;
  readonly offset: number;
  readonly data: Uint8Array;
  /** Permissions and owner of the complete file. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** True if an agent that was killed may already have received it. */
  readonly again?: boolean;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/** Name of an incomplete file. It depends only on the file's own name, so the next agent finds it again. */
export function temporaryName(name: string): string {
  return `.guestd-copy-${crypto().createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

/**
 * Removes whatever a container or the host may have put under a temporary name. Refuses a directory, as under the
 * file's own name: whoever planted it controls how much it holds.
 */
export function clearTemporary(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code !== "EISDIR") throw error;
    throw new AgentError("already-exists", `a directory is in the way, remove ${basename(path)}`);
  }
}

/**
 * Writes a chunk of the file `name`. Once all chunks have arrived, the file gets its name. Until then a trailer behind
 * the content lists the received ranges, so nothing is lost if the agent is killed. A repeated first chunk restarts the
 * file.
 */
export function receiveChunk(dir: Fd, name: string, chunk: Chunk): void {
  const temporary = `${pathOf(dir)}/${temporaryName(name)}`;
  // All chunks had arrived, and the file has its name.
  if (chunk.again === true && chunk.offset > 0 && !existsSync(temporary)) return;
  const fd = openTemporary(temporary);
  try {
    const ranges = withRange(rangesSoFar(fd, dir, chunk), [chunk.offset, chunk.offset + chunk.data.length]);
    if (ranges === undefined) throw new AgentError("resource-exhausted", "its chunks are too scattered");
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

/** Opens the file. Replaces an entry that is not a regular file, or that has a second name. */
function openTemporary(path: string): Fd {
  const flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;
  try {
    const fd = openSync(path, flags);
    const stat = fstatSync(fd);
    if (stat.isFile() && stat.nlink === 1) return fd;
    closeSync(fd);
  } catch {
    // Missing, or not a file.
  }
  clearTemporary(path);
  return openSync(path, flags | O_CREAT | O_EXCL, 0o600);
}

/** Returns the ranges received so far, or none for a file that starts, for which there must be space. */
function rangesSoFar(fd: Fd, dir: Fd, { fileSize, offset, again, data }: Chunk): readonly Range[] {
  const found = readTrailer(fd, fileSize);
  if (found !== undefined && (offset > 0 || again === true || found[0]?.[0] !== 0)) return found;
  // All chunks had arrived: the agent was killed between truncating the file and renaming it.
  if (again === true && fileSize > 0 && fstatSync(fd).size === fileSize) return [[0, fileSize]];
  ftruncateSync(fd, 0);
  const { blocks, bavail, bsize } = statfsSync(pathOf(dir));
  // A tmpfs without a limit reports 0 blocks.
  if (blocks > 0 && fileSize > bavail * bsize) {
    throw new AgentError("resource-exhausted", `it has ${fileSize} bytes, only ${bavail * bsize} are free`);
  }
  // Written before the content, so that a file of the full length without a trailer has all chunks.
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
