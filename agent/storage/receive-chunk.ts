import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { RESOLVE_BENEATH } from "../kernel/constants.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Served } from "../kernel/files/contained-files.ts";
import type { Handle } from "../kernel/files/served-files.ts";
import { writeWhole } from "../kernel/files/write-whole.ts";
import { decodeTrailer, encodeTrailer, type Range, TRAILER_BYTES, withRange } from "./received-ranges.ts";

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

/** An open incomplete file and its size in bytes. */
interface Temporary {
  readonly handle: Handle;
  readonly size: number;
}

const { O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/** Name of an incomplete file. It depends only on the file's own name, so the next agent finds it again. */
export function temporaryName(name: string): Buffer {
  return Buffer.from(`.guestd-copy-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`);
}

/**
 * Removes whatever a container or the host may have put under a temporary name. Refuses a directory, as under the
 * file's own name: whoever planted it controls how much it holds.
 */
export async function clearTemporary(files: Served, dir: Handle, temporary: Buffer): Promise<void> {
  try {
    await files.unlink(dir, temporary);
  } catch (error) {
    const code = error instanceof SystemError ? error.code : "";
    if (code === "ENOENT") return;
    if (code !== "EISDIR") throw error;
    throw new AgentError("already-exists", `a directory is in the way, remove ${temporary}`);
  }
}

/**
 * Writes a chunk of the file `name`. Once all chunks have arrived, the file gets its name. Until then a trailer behind
 * the content lists the received ranges, so nothing is lost if the agent is killed. A repeated first chunk restarts the
 * file.
 */
export async function receiveChunk(files: Served, dir: Handle, name: string, chunk: Chunk): Promise<void> {
  const temporary = temporaryName(name);
  // All chunks had arrived, and the file has its name.
  if (chunk.again === true && chunk.offset > 0 && !(await exists(files, dir, temporary))) return;
  const { handle, size } = await openTemporary(files, dir, temporary);
  try {
    const found = await rangesSoFar(files, dir, { handle, size }, chunk);
    const ranges = withRange(found, [chunk.offset, chunk.offset + chunk.data.length]);
    if (ranges === undefined) throw new AgentError("resource-exhausted", "its chunks are too scattered");
    await writeWhole(files, handle, chunk.data, chunk.offset);
    if (isWhole(ranges, chunk.fileSize)) {
      await Promise.all([
        files.truncate(handle, chunk.fileSize),
        files.chown(handle, chunk.uid, chunk.gid),
        files.chmod(handle, chunk.mode),
      ]);
      await files.rename(dir, temporary, dir, Buffer.from(name));
    } else {
      await writeWhole(files, handle, encodeTrailer(chunk.fileSize, ranges), chunk.fileSize);
    }
  } catch (error) {
    await clearTemporary(files, dir, temporary);
    throw error;
  } finally {
    files.close(handle);
  }
}

function isWhole(ranges: readonly Range[], fileSize: number): boolean {
  const [start, end] = ranges[0] ?? [0, 0];
  return start === 0 && end === fileSize;
}

async function exists(files: Served, dir: Handle, name: Buffer): Promise<boolean> {
  try {
    files.close((await files.entry(dir, name)).handle);
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** Opens the file. Replaces an entry that is not a regular file, or that has a second name. */
async function openTemporary(files: Served, dir: Handle, temporary: Buffer): Promise<Temporary> {
  try {
    const flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;
    const { handle, attributes } = await files.open(dir, temporary, flags, RESOLVE_BENEATH);
    if (attributes.nlink === 1n) return { handle, size: Number(attributes.size) };
    files.close(handle);
  } catch {
    // Missing, or not a file.
  }
  await clearTemporary(files, dir, temporary);
  return { handle: (await files.create(dir, temporary)).handle, size: 0 };
}

/** Returns the ranges received so far, or none for a file that starts, for which there must be space. */
async function rangesSoFar(
  files: Served,
  dir: Handle,
  { handle, size }: Temporary,
  { fileSize, offset, again, data }: Chunk,
): Promise<readonly Range[]> {
  const found = size === fileSize + TRAILER_BYTES ? await readTrailer(files, handle, fileSize) : undefined;
  if (found !== undefined && (offset > 0 || again === true || found[0]?.[0] !== 0)) return found;
  // All chunks had arrived: the agent was killed between truncating the file and renaming it.
  if (again === true && fileSize > 0 && size === fileSize) return [[0, fileSize]];
  if (size > 0) await files.truncate(handle, 0);
  const { blocks, available, blockBytes } = await files.statfs(dir);
  // A tmpfs without a limit reports 0 blocks.
  if (blocks > 0 && fileSize > available * blockBytes) {
    throw new AgentError("resource-exhausted", `it has ${fileSize} bytes, only ${available * blockBytes} are free`);
  }
  // Written before the content, so that a file of the full length without a trailer has all chunks.
  if (data.length < fileSize) await writeWhole(files, handle, encodeTrailer(fileSize, []), fileSize);
  return [];
}

async function readTrailer(files: Served, handle: Handle, fileSize: number): Promise<readonly Range[] | undefined> {
  return decodeTrailer(await files.read(handle, TRAILER_BYTES, fileSize), fileSize);
}
