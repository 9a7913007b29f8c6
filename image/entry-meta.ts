import { ImageError } from "./image-error.ts";
import type { TarHeader } from "./tar-entries.ts";

/** What an entry has beside its content. */
export interface EntryMeta {
  /** Permission bits with set-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** Of a directory that no layer says anything about. */
export const IMPLIED_DIRECTORY: EntryMeta = { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: new Map() };

/** Bytes that Linux gives to the name of an extended attribute. */
const MAX_XATTR_NAME = 255;

/** Reads it from a header; pax records win. Throws ImageError for owners and names of attributes that the kernel does not know. */
export function entryMeta({ mode, uid, gid, mtime, pax, xattrs }: TarHeader): EntryMeta {
  for (const name of xattrs.keys()) checkXattrName(name);
  const seconds = Number(pax?.["mtime"] ?? mtime.getTime() / 1000);
  return {
    mode: mode & 0o7777,
    uid: owner(pax?.["uid"] ?? uid),
    gid: owner(pax?.["gid"] ?? gid),
    // Beyond what file systems keep, a time is only a nuisance.
    mtime: Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 2 ** 33) : 0,
    xattrs,
  };
}

function checkXattrName(name: string): void {
  const refuse = (why: string) => {
    throw new ImageError(`its extended attribute ${JSON.stringify(name.slice(0, 100))} has a name ${why}`);
  };
  if (name === "") refuse("of no bytes");
  if (name.includes("\0")) refuse("with a NUL byte");
  // What bytes that are not UTF-8 become.
  if (name.includes("\ufffd")) refuse("that is not UTF-8");
  if (Buffer.byteLength(name) > MAX_XATTR_NAME) refuse(`of more than ${MAX_XATTR_NAME} bytes`);
}

function owner(value: string | number): number {
  const id = Number(value);
  if (!Number.isInteger(id) || id < 0 || id >= 2 ** 32 - 1) throw new ImageError(`its owner ${value} is not an id`);
  return id;
}
