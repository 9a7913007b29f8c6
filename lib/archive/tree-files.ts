/** A result that is known at once, or later. */
export type Answer<T> = T | Promise<T>;

/** Attributes of a file; times in nanoseconds since 1970. */
export interface TreeStat {
  readonly dev: bigint;
  readonly ino: bigint;
  /** Type and permission bits. */
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly size: bigint;
  /** Allocated blocks of 512 bytes. */
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A file that is written in one step. */
export interface PlacedFile {
  readonly content: Uint8Array;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly times?: { readonly access: bigint; readonly change: bigint } | undefined;
  /** Removes a file that has the temporary name; otherwise the call fails with code "EEXIST" then, and leaves nothing. */
  readonly replaces?: boolean;
  /** Fails, and leaves nothing, if the call before it has failed. */
  readonly linked?: boolean;
}

/** A file that was read in one step. */
export interface TakenFile {
  readonly stat: TreeStat;
  readonly content: Buffer;
}

/**
 * Calls for a tree of files. A handle is an open file, a name is the bytes of one entry of a directory. Nothing follows a
 * link. Each call throws, or rejects with, an error that has a `code` ("ENOENT") and an `errno`.
 */
export interface TreeFiles {
  /**
   * Opens an entry of a directory; `flags` are those of open(2), without O_CREAT. Fails with code "EXDEV" if another file
   * system is mounted there that may not be entered.
   */
  openEntry(dir: number, name: Uint8Array, flags: number): Answer<number>;
  /** Opens once more what a handle has open, O_PATH or not. */
  reopen(handle: number, flags: number): Answer<number>;
  /** Creates a file for reading and writing, for the owner alone. Fails with code "EEXIST" if the name exists. */
  create(dir: number, name: Uint8Array): Answer<number>;
  close(handle: number): Answer<void>;

  stat(handle: number): Answer<TreeStat>;
  readLink(dir: number, name: Uint8Array): Answer<Uint8Array>;
  /** Yields the names in a directory from the first one on, some at a time, in no order, without "." and "..". */
  names(dir: number): AsyncIterable<readonly Uint8Array[]>;
  /** Returns the free bytes of a directory's file system; undefined if it has no limit. */
  freeBytes(dir: number): Answer<number | undefined>;
  /** Returns the number of bytes read, 0 only at the end. */
  read(handle: number, buffer: Uint8Array, position: number): Answer<number>;
  /** Returns the offset of the next data, or hole, from `offset` on; undefined if there is none. */
  seek(handle: number, offset: number, what: "data" | "hole"): Answer<number | undefined>;
  /** Returns no names if the file system has no attributes. */
  listXattrs(handle: number): Answer<readonly string[]>;
  /** Returns undefined if the attribute has disappeared. */
  getXattr(handle: number, name: string): Answer<Uint8Array | undefined>;

  /** Writes pieces one after the other; returns the number of bytes written. */
  write(handle: number, pieces: readonly Uint8Array[], position: number): Answer<number>;
  truncate(handle: number, length: number): Answer<void>;
  /** Sets the owner of what a handle has open, which may be a link (O_PATH). */
  chown(handle: number, uid: number, gid: number): Answer<void>;
  chmod(handle: number, mode: number): Answer<void>;
  setXattr(handle: number, name: string, value: Uint8Array): Answer<void>;
  /** Sets the times of access and change, in nanoseconds since 1970; of a link itself through O_PATH. */
  setTimes(handle: number, access: bigint, change: bigint): Answer<void>;

  /** Creates a directory for the owner alone. */
  mkdir(dir: number, name: Uint8Array): Answer<void>;
  symlink(target: Uint8Array, dir: number, name: Uint8Array): Answer<void>;
  link(fromDir: number, from: Uint8Array, dir: number, name: Uint8Array): Answer<void>;
  /**
   * Reads an entry that is a small file without extended attributes, in one step where each call takes a round trip; calls that
   * are made at once take one together. Resolves with undefined for anything else, and if that fails.
   */
  take?(dir: number, name: Uint8Array): Promise<TakenFile | undefined>;
  /**
   * Creates a file of at most 16 KiB under a temporary name, and renames it: one step where each call takes a round trip. Calls
   * that are made at once take one together. If it fails nothing is left.
   */
  place?(dir: number, temporary: Uint8Array, name: Uint8Array, file: PlacedFile): Promise<void>;
  /** Renames an entry within its directory, over what has the new name. */
  rename(dir: number, from: Uint8Array, to: Uint8Array): Answer<void>;
  /** Removes an entry that is no directory. */
  unlink(dir: number, name: Uint8Array): Answer<void>;
}

export const O_PATH = 0o10000000;

const S_IFMT = 0o170000n;

/** Returns the type of a file: 0o100000n for a regular file. */
export const typeOf = ({ mode }: TreeStat): bigint => mode & S_IFMT;

export const isFile = (stat: TreeStat): boolean => typeOf(stat) === 0o100000n;
export const isDirectory = (stat: TreeStat): boolean => typeOf(stat) === 0o040000n;
export const isLink = (stat: TreeStat): boolean => typeOf(stat) === 0o120000n;
