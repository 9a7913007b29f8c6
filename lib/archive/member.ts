/** Attributes of a member of an archive. Names and link targets are bytes, held in latin1 strings. */
export interface Member {
  /** Names with slashes in between, none before and after. */
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "link";
  /** Permission bits, including set-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  readonly atime: bigint;
  /** Length of a file, with its holes. Otherwise 0. */
  readonly size: number;
  /** Target of a symbolic link, or name of the member that a hard link repeats. Otherwise empty. */
  readonly target: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Bytes of the content that the receiver has already. */
  readonly from: number;
  /** Changes whenever the content may have. Only of files that are worth continuing; otherwise empty. */
  readonly version: string;
  /** Parts of the content from `from` on that the archive has, in order; the rest is holes. */
  readonly parts: readonly Part[];
}

/** Bytes from `start` to `end` of a file. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/** Extended attributes that are copied; others belong to the machine (security.selinux, trusted.*). */
export function isCopiedXattr(name: string): boolean {
  return name.startsWith("user.") || isAcl(name) || name === CAPABILITIES;
}

/** File capabilities, which grant rights like the set-user-id bit. */
export const CAPABILITIES = "security.capability";

export function isAcl(name: string): boolean {
  return name === "system.posix_acl_access" || name === "system.posix_acl_default";
}

/** Beginning of the names of files that are not complete. They are neither packed nor extracted. */
export const TEMPORARY = ".guestd-copy-";

/** Returns the bytes of a name. */
export const bytesOf = (name: string): Buffer => Buffer.from(name, "latin1");

/** Returns the name of bytes. */
export const nameOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");

/** Returns a name as a person reads it. */
export const shown = (name: string): string => JSON.stringify(bytesOf(name).toString().slice(0, 200));
