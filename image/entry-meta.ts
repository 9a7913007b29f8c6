import type { TarHeader } from "../lib/archive/tar-entries.ts";
import { ImageError } from "./image-error.ts";

/** An entry's attributes, everything but its content. */
export interface EntryMeta {
  /** Permission bits, including set-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** Attributes of a parent directory that no layer contains. */
export const IMPLIED_DIRECTORY: EntryMeta = { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: new Map() };

/** Linux's limit for the name of an extended attribute, in bytes. */
const MAX_XATTR_NAME = 255;

/**
 * Reads the attributes from a header; pax records take precedence. Throws ImageError for an owner or attribute name the
 * kernel doesn't accept.
 */
export function entryMeta({ mode, uid, gid, mtime, pax, xattrs }: TarHeader): EntryMeta {
  for (const name of xattrs.keys()) checkXattrName(name);
  const seconds = Number(pax?.["mtime"] ?? mtime.getTime() / 1000);
  return {
    mode: mode & 0o7777,
    uid: owner(pax?.["uid"] ?? uid),
    gid: owner(pax?.["gid"] ?? gid),
    // Clamps the time to the range that file systems store.
    mtime: Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 2 ** 33) : 0,
    xattrs,
  };
}

function checkXattrName(name: string): void {
  const refuse = (why: string) => {
    throw new ImageError(`its extended attribute ${JSON.stringify(name.slice(0, 100))} ${why}`);
  };
  if (name === "") refuse("has an empty name");
  if (name.includes("\0")) refuse("has a NUL byte in its name");
  // The decoder's replacement for bytes that are not UTF-8.
  if (name.includes("\ufffd")) refuse("has a name that is not UTF-8");
  if (Buffer.byteLength(name) > MAX_XATTR_NAME) refuse(`has a name of more than ${MAX_XATTR_NAME} bytes`);
}

function owner(value: string | number): number {
  const id = Number(value);
  if (!Number.isInteger(id) || id < 0 || id >= 2 ** 32 - 1) throw new ImageError(`its owner ${value} is not an id`);
  return id;
}
